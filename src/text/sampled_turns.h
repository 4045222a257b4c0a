#pragma once
// The assistant's turns as the model wrote them, token by token.
//
// A client sends the conversation back as messages. Rendered and tokenised again, a turn may become other
// tokens than those that were sampled: the model may split a word as the tokenizer would not, put white space
// around a tool call, or write JSON with other spacing than the template's. The text means the same, but a
// prefix cache works on tokens, and everything after the first one that differs would have to be computed
// again. So a turn that this server wrote, in a conversation that is the same up to it, is replayed as it was
// sampled.

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/token_id.h"

namespace mimo {

// A hash of a text that grows.
class TextHash {
 public:
  void Append(std::string_view text);
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0;
};

struct SampledTurn {
  uint64_t before = 0;  // hash of the rendered conversation up to it
  std::string text;     // as a template renders it
  std::vector<TokenId> tokens;

  // Of memory, about.
  size_t bytes() const { return sizeof(SampledTurn) + text.size() + tokens.size() * sizeof(TokenId); }
};

// Thread-safe.
class SampledTurns {
 public:
  // What was not used for longest is forgotten when `bytes_max` are exceeded.
  explicit SampledTurns(size_t bytes_max) : bytes_max_(bytes_max) {}

  // One hash that two conversations share does no harm: the turn's text is compared.
  void Remember(SampledTurn turn);
  // The tokens of the turn, or none where it is not known.
  std::vector<TokenId> Find(uint64_t before, std::string_view text);

  // The turns that were used last, the most recent first, as many as `bytes_max` hold.
  std::vector<SampledTurn> Newest(size_t bytes_max) const;

  size_t bytes() const;

 private:
  using Entries = std::list<SampledTurn>;

  static uint64_t KeyOf(uint64_t before, std::string_view text);
  Entries::iterator FindEntry(uint64_t before, std::string_view text);  // with mutex_ held
  void ForgetOldest();

  const size_t bytes_max_;
  mutable std::mutex mutex_;  // guards all below
  Entries entries_;           // most recently used first
  std::unordered_multimap<uint64_t, Entries::iterator> by_key_;
  size_t bytes_ = 0;
};

}  // namespace mimo
