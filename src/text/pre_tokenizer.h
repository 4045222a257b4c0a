#pragma once
// Cuts text into the pieces inside which merges happen.
//
// Qwen2's split pattern,
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|
//   ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// written out as a scanner, because a regex engine backtracks and dominates the cost of encoding.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mimo {

// The pattern as tokenizer.json spells it.
extern const std::string_view kQwen2SplitPattern;

// Non-owning. The pieces cover the text without gaps; an invalid byte is a piece of its own. Each byte is
// looked at a bounded number of times.
class PreTokenizer {
 public:
  explicit PreTokenizer(std::string_view text);

  // The next piece; empty at the end.
  std::string_view Next();

 private:
  // A code point with what the pattern asks of it. At the end of the text its length is 0.
  struct Character {
    uint32_t value;
    uint32_t length;
    uint8_t flags;
  };

  Character At(size_t position) const;
  size_t EndOfContraction(size_t position) const;  // `position` if there is none
  size_t EndOfLetters(size_t position) const;
  size_t EndOfPunctuation(size_t position) const;  // with the line breaks behind it
  size_t EndOfWhiteSpace(size_t position) const;
  size_t EndOfPiece(size_t begin) const;

  std::string_view text_;
  const uint8_t* flags_;
  size_t position_ = 0;
};

}  // namespace mimo
