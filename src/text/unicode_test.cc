#include "text/unicode.h"

#include <gtest/gtest.h>

#include <chrono>

namespace mimo {
namespace {

std::string Nfc(std::string_view text) {
  std::string buffer;
  return std::string(NormalizeNfc(text, buffer));
}

TEST(Unicode, DecodesExactlyTheWellFormedSequences) {
  for (uint32_t value = 0; value < 0x110000; value += 7) {
    std::string text;
    AppendUtf8(value, text);
    const bool surrogate = value >= 0xD800 && value < 0xE000;
    const CodePoint decoded = DecodeUtf8(text, 0);
    EXPECT_EQ(decoded.value, surrogate ? CodePoint::kInvalid : value);
    EXPECT_EQ(decoded.length, surrogate ? 1 : text.size());
  }
  for (const char* text :
       {"\xC0\x80", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\x80", "\xE2\x82", "\xFF"}) {
    EXPECT_EQ(DecodeUtf8(text, 0).value, CodePoint::kInvalid);
    EXPECT_FALSE(IsValidUtf8(text));
  }
}

TEST(Unicode, KnowsTheClassesOfCodePoints) {
  const uint8_t* flags = CodePointFlagTable();
  EXPECT_TRUE(flags[0x61] & kLetter);
  EXPECT_TRUE(flags[0x4E00] & kLetter);
  EXPECT_TRUE(flags[0x1C89] & kLetter) << "new in Unicode 16";
  EXPECT_TRUE(flags[0x2168] & kNumber);
  EXPECT_TRUE(flags[0x3000] & kWhiteSpace);
  EXPECT_FALSE(flags[0x200B] & kWhiteSpace);
  EXPECT_TRUE(flags[0x5F] & kWordCharacter);
  EXPECT_TRUE(flags[0x301] & kNeedsNormalization);
  EXPECT_FALSE(flags[0x10FFFF]);
}

TEST(Unicode, NormalizesToNfc) {
  EXPECT_EQ(Nfc("e\u0301x"), "\u00e9x");
  EXPECT_EQ(Nfc("\u212b"), "\u00c5");
  EXPECT_EQ(Nfc("a\u0301\u0323"), "\u1ea1\u0301");
  EXPECT_EQ(Nfc("\u1112\u1161\u11ab"), "\ud55c");
  EXPECT_EQ(Nfc("\u0301a"), "\u0301a");
  EXPECT_EQ(Nfc("\xFF\u0301"), "\xFF\u0301");
  EXPECT_EQ(Nfc("\u0958"), "\u0915\u093c") << "excluded from composition";
}

TEST(Unicode, ReturnsNormalTextItself) {
  std::string buffer;
  const std::string_view text = "plain, \u00e9, \u4e00 and 😀";
  EXPECT_EQ(NormalizeNfc(text, buffer).data(), text.data());
}

TEST(Unicode, NormalizesAMillionMarksInTime) {
  std::string text = "a";
  for (int i = 0; i < 500000; ++i) text += "\u0301\u0316";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Nfc(text).size(), text.size() - 1) << "the first acute joins the letter";
  // Half a second under a sanitizer; a quadratic sort takes hours.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(Unicode, ReplacesMaximalIllFormedParts) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\xE2\x82z"), "a\uFFFDz");
  EXPECT_EQ(ReplaceInvalidUtf8("\xE0\x80"), "\uFFFD\uFFFD");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF0\x9F\x98"), "\uFFFD");
}

TEST(Unicode, FindsTheUnfinishedEnd) {
  EXPECT_EQ(UnfinishedUtf8Suffix("a\xF0\x9F\x98"), 3u);
  EXPECT_EQ(UnfinishedUtf8Suffix("a\xE2\x82"), 2u);
  EXPECT_EQ(UnfinishedUtf8Suffix("\xC3"), 1u);
  EXPECT_EQ(UnfinishedUtf8Suffix("\xC3\xA9"), 0u);
  EXPECT_EQ(UnfinishedUtf8Suffix("\xE0\x80"), 0u) << "no code point begins so";
  EXPECT_EQ(UnfinishedUtf8Suffix(""), 0u);
}

}  // namespace
}  // namespace mimo
