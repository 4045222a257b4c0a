#pragma once

#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

#include "base/token_id.h"

namespace mimo {

// What a perfect prefix cache would serve: how many leading tokens of a prompt were computed before, as part
// of any text. Remembers a hash of every prefix, not the texts; two prefixes that share one of 64 bits would
// be mistaken for each other, which no session is long enough for. Not thread-safe.
class RepeatedTokens {
 public:
  // Tokens of the longest beginning of `tokens` that was added before.
  size_t Count(std::span<const TokenId> tokens) const;
  void Add(std::span<const TokenId> tokens);

 private:
  size_t Known(const std::vector<uint64_t>& hashes) const;
  std::unordered_set<uint64_t> prefixes_;
};

}  // namespace mimo
