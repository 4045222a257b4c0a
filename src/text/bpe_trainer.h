#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "text/tokenizer.h"

namespace mimo {

struct BpeTrainerOptions {
  uint32_t vocab_size = 4096;  // all tokens: 256 bytes, merges, added tokens
  uint32_t pair_count_min = 2;
  // Behind the merges, in this order. Text inside them is not counted for merges.
  std::vector<TokenizerData::AddedToken> added_tokens = {};
};

// Learns byte-level merges with Qwen2's split pattern: the most frequent pair first, of equally frequent ones
// the pair whose bytes sort first (left, then right), so that the result is a function of the text.
class BpeTrainer {
 public:
  explicit BpeTrainer(BpeTrainerOptions options);
  ~BpeTrainer();
  BpeTrainer(BpeTrainer&&) noexcept;

  // Counts the pieces of `text`. Returns how many bytes of it are not inside added tokens.
  size_t Add(std::string_view text);
  // Token b is byte b, then come the merges' tokens and the added ones. Fewer than vocab_size when pairs run
  // out. Calls `progress`, if given, after each merge. kInvalidArgument when vocab_size leaves no room for
  // the bytes and the added tokens.
  Result<TokenizerData> Train(const std::function<void(uint32_t merges_done)>& progress);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimo
