#include "text/pre_tokenizer.h"

#include "text/unicode.h"

namespace mimo {
namespace {

// Beyond the flags of the table: a byte that is no character. No class of the pattern contains it.
constexpr uint8_t kInvalidByte = 0x80;
constexpr uint32_t kLongS = 0x17F;  // folds to 's', so the case-insensitive 's matches it

bool IsLineBreak(uint32_t value) { return value == '\r' || value == '\n'; }
bool IsLetter(uint8_t flags) { return (flags & kLetter) != 0; }
bool IsWhiteSpace(uint8_t flags) { return (flags & kWhiteSpace) != 0; }
bool IsPunctuation(uint8_t flags) { return (flags & (kLetter | kNumber | kWhiteSpace | kInvalidByte)) == 0; }

uint32_t FoldAscii(uint32_t value) { return value >= 'A' && value <= 'Z' ? value + ('a' - 'A') : value; }

}  // namespace

const std::string_view kQwen2SplitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

PreTokenizer::PreTokenizer(std::string_view text) : text_(text), flags_(CodePointFlagTable()) {}

std::string_view PreTokenizer::Next() {
  if (position_ == text_.size()) return {};
  const size_t begin = position_;
  position_ = EndOfPiece(begin);
  return text_.substr(begin, position_ - begin);
}

inline PreTokenizer::Character PreTokenizer::At(size_t position) const {
  if (position >= text_.size()) return {0, 0, kInvalidByte};
  const auto byte = static_cast<uint8_t>(text_[position]);
  if (byte < 0x80) return {byte, 1, flags_[byte]};
  const CodePoint code_point = DecodeUtf8(text_, position);
  if (code_point.value == CodePoint::kInvalid) return {0, 1, kInvalidByte};
  return {code_point.value, code_point.length, flags_[code_point.value]};
}

size_t PreTokenizer::EndOfContraction(size_t position) const {
  const Character first = At(position + 1);
  const size_t end = position + 1 + first.length;
  const uint32_t second = FoldAscii(At(end).value);
  switch (FoldAscii(first.value)) {
    case 's':
    case kLongS:
    case 't':
    case 'm':
    case 'd':
      return end;
    case 'r':
    case 'v':
      return second == 'e' ? end + 1 : position;
    case 'l':
      return second == 'l' ? end + 1 : position;
    default:
      return position;
  }
}

size_t PreTokenizer::EndOfLetters(size_t position) const {
  for (Character c = At(position); IsLetter(c.flags); c = At(position)) position += c.length;
  return position;
}

size_t PreTokenizer::EndOfPunctuation(size_t position) const {
  for (Character c = At(position); IsPunctuation(c.flags); c = At(position)) position += c.length;
  while (position < text_.size() && (text_[position] == '\r' || text_[position] == '\n')) ++position;
  return position;
}

// The three alternatives for white space, in order: up to the last line break; else all but the last
// character, which is left to the word behind; else everything.
size_t PreTokenizer::EndOfWhiteSpace(size_t position) const {
  size_t line_break_end = position;
  size_t last = position;
  size_t end = position;
  for (Character c = At(end); IsWhiteSpace(c.flags); c = At(end)) {
    last = end;
    end += c.length;
    if (IsLineBreak(c.value)) line_break_end = end;
  }
  if (line_break_end > position) return line_break_end;
  if (end == text_.size() || last == position) return end;
  return last;
}

size_t PreTokenizer::EndOfPiece(size_t begin) const {
  const Character c = At(begin);
  const size_t next_position = begin + c.length;
  if ((c.flags & kInvalidByte) != 0) return next_position;
  if (c.value == '\'') {
    const size_t end = EndOfContraction(begin);
    if (end > begin) return end;
  }
  if (IsLetter(c.flags)) return EndOfLetters(next_position);
  if ((c.flags & kNumber) != 0) return next_position;
  const Character next = At(next_position);
  if (!IsLineBreak(c.value) && IsLetter(next.flags)) return EndOfLetters(next_position + next.length);
  if (!IsWhiteSpace(c.flags)) return EndOfPunctuation(next_position);
  if (c.value == ' ' && IsPunctuation(next.flags)) return EndOfPunctuation(next_position);
  return EndOfWhiteSpace(begin);
}

}  // namespace mimo
