#pragma once
// Finds added tokens such as "<|im_end|>" in text, the way Hugging Face's `tokenizers` does.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace mimo {

// A part of a text: an added token with the white space it takes along, or (no id) the text between two of
// them.
struct TextPart {
  std::string_view text;
  std::optional<TokenId> id;
};

// Immutable after the constructor; any thread.
class AddedTokenMatcher {
 public:
  // Requires: contents are valid UTF-8, not empty, and differ.
  explicit AddedTokenMatcher(std::vector<TokenizerData::AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // Cuts `text` at its added tokens: leftmost first, the longest of those that begin at one place, none
  // overlapping. The parts are in order, none is empty, and without lstrip and rstrip they cover the text.
  // O(text * longest token), and O(text) unless the text is full of beginnings of added tokens.
  std::vector<TextPart> Split(std::string_view text) const;

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  // A node of the trie of contents. Children are a list: few nodes have more than one.
  struct Node {
    uint8_t byte = 0;
    uint32_t first_child = kNone;
    uint32_t next_sibling = kNone;
    uint32_t token = kNone;  // index of the token that ends here
  };
  struct Match {
    uint32_t token = kNone;
    size_t length = 0;
  };

  uint32_t Child(uint32_t node, uint8_t byte) const;
  void Insert(uint32_t token_index);
  Match LongestAt(std::string_view text, size_t position) const;

  std::vector<TokenizerData::AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<bool, 256> begins_token_{};
};

}  // namespace mimo
