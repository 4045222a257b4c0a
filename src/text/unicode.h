#pragma once
// UTF-8, the classes of code points that tokenisation asks for, and NFC.
//
// The classes are those of Hugging Face's `tokenizers`, not of a Unicode release: the model has learnt what
// that library made of its text (docs/decisions/0003-tokenizer.md).

#include <cstdint>
#include <string>
#include <string_view>

namespace mimo {

enum CodePointFlags : uint8_t {
  kLetter = 1,              // \p{L}
  kNumber = 2,              // \p{N}
  kWhiteSpace = 4,          // \s
  kWordCharacter = 8,       // \w
  kNeedsNormalization = 16  // NFC may change it, move it, or join it to the one before
};

struct CodePoint {
  static constexpr uint32_t kInvalid = 0xFFFFFFFF;  // a byte that belongs to no well-formed sequence

  uint32_t value = kInvalid;
  uint32_t length = 1;  // bytes; 1 for an invalid byte
};

// The code point at `position`; overlong forms, surrogates and values above U+10FFFF are invalid.
// Requires: position < text.size().
CodePoint DecodeUtf8(std::string_view text, size_t position);

void AppendUtf8(uint32_t code_point, std::string& text);

// True if every byte belongs to a well-formed sequence.
bool IsValidUtf8(std::string_view text);

// The table [0x110000] of CodePointFlags. Built at the first call; any thread.
const uint8_t* CodePointFlagTable();

// `text` in NFC. Returns `text` itself when nothing changes, and otherwise a view of `buffer`, which is
// overwritten. Invalid bytes stay as they are. O(n log n) even for a text of nothing but combining marks.
std::string_view NormalizeNfc(std::string_view text, std::string& buffer);

// How many bytes at the end of `text` are the beginning of a code point that more bytes could complete: 0
// to 3.
size_t UnfinishedUtf8Suffix(std::string_view text);

// Replaces each maximal ill-formed part by U+FFFD, as the Unicode standard recommends and Rust does.
std::string ReplaceInvalidUtf8(std::string_view text);

}  // namespace mimo
