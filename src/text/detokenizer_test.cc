#include <gtest/gtest.h>

#include <random>

#include "text/tokenizer_testutil.h"
#include "text/unicode.h"

namespace mimo {
namespace {

// A tokenizer whose ids are bytes, and 256 a special token.
Tokenizer ByteTokenizer() {
  TokenizerData data = ByteVocabulary();
  data.added_tokens.push_back({.id = 256, .content = "<s>", .special = true});
  return MakeTokenizer(std::move(data));
}

TEST(Detokenizer, HoldsBackUnfinishedCodePoints) {
  const Tokenizer tokenizer = ByteTokenizer();
  Detokenizer detokenizer(tokenizer, true);
  EXPECT_EQ(detokenizer.Push(0xF0), "");
  EXPECT_EQ(detokenizer.Push(0x9F), "");
  EXPECT_EQ(detokenizer.Push(0x98), "");
  EXPECT_EQ(detokenizer.Push(0x80), "😀");
  EXPECT_EQ(detokenizer.Finish(), "");
}

TEST(Detokenizer, ReplacesWhatCannotBecomeACodePoint) {
  const Tokenizer tokenizer = ByteTokenizer();
  Detokenizer detokenizer(tokenizer, true);
  EXPECT_EQ(detokenizer.Push(0x80), "\uFFFD");
  EXPECT_EQ(detokenizer.Push(0xE2), "");
  EXPECT_EQ(detokenizer.Push('a'), "\uFFFDa");
  EXPECT_EQ(detokenizer.Push(0xE2), "");
  EXPECT_EQ(detokenizer.Push(0x82), "");
  EXPECT_EQ(detokenizer.Finish(), "\uFFFD");
  EXPECT_EQ(detokenizer.Finish(), "");
}

TEST(Detokenizer, SkipsSpecialTokensOnlyWhenAsked) {
  const Tokenizer tokenizer = ByteTokenizer();
  Detokenizer skipping(tokenizer, true);
  EXPECT_EQ(skipping.Push(0xC3), "");
  EXPECT_EQ(skipping.Push(256), "");
  EXPECT_EQ(skipping.Push(0xA9), "é");
  Detokenizer keeping(tokenizer, false);
  EXPECT_EQ(keeping.Push(256), "<s>");
  EXPECT_EQ(keeping.Push(9999), "");
}

TEST(Detokenizer, GivesTheSameTextAsDecodingAtOnce) {
  const Tokenizer tokenizer = ByteTokenizer();
  std::mt19937 random(3);
  const uint8_t bytes[] = {'a',  0x80, 0xBF, 0xC2, 0xC0, 0xE0, 0xA0, 0xED,
                           0x9F, 0xEF, 0xF0, 0x90, 0xF4, 0x8F, 0xF5};
  for (int round = 0; round < 2000; ++round) {
    std::vector<TokenId> tokens;
    for (int i = 0; i < 12; ++i) tokens.push_back(bytes[random() % std::size(bytes)]);
    Detokenizer detokenizer(tokenizer, false);
    std::string text;
    for (const TokenId token : tokens) {
      const std::string part = detokenizer.Push(token);
      EXPECT_TRUE(IsValidUtf8(part));
      text += part;
    }
    text += detokenizer.Finish();
    EXPECT_EQ(text, ReplaceInvalidUtf8(tokenizer.Decode(tokens)));
  }
}

}  // namespace
}  // namespace mimo
