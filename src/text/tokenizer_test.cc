#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string CreateError(TokenizerData data) {
  const Result<Tokenizer> tokenizer = Tokenizer::Create(std::move(data));
  if (tokenizer) return "created";
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kInvalidArgument);
  return tokenizer.error().message;
}

TokenizerData WithAddedToken(TokenizerData::AddedToken token) {
  TokenizerData data = ByteVocabulary();
  data.added_tokens.push_back(std::move(token));
  return data;
}

std::vector<TokenId> Parse(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.Encode(text, AddedTokens::kParse);
}

TEST(Tokenizer, EncodesKnownWords) {
  EXPECT_THAT(Parse(BuiltinTokenizer(), "Hello world"), ElementsAre(9707, 1879));
  EXPECT_THAT(Parse(BuiltinTokenizer(), "3333"), ElementsAre(18, 18, 18, 18));
  EXPECT_THAT(Parse(BuiltinTokenizer(), ""), IsEmpty());
}

TEST(Tokenizer, SeesNoAddedTokenInPlainText) {
  const std::vector<TokenId> ids = BuiltinTokenizer().Encode("<|im_end|>", AddedTokens::kPlainText);
  EXPECT_GT(ids.size(), 1u);
  EXPECT_EQ(BuiltinTokenizer().Decode(ids), "<|im_end|>");
  EXPECT_THAT(Parse(BuiltinTokenizer(), "<|im_end|>"), ElementsAre(151645));
}

TEST(Tokenizer, DecodesWhatItEncodes) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bytes;
    for (uint32_t i = 0; i < random() % 60; ++i) {
      // Few values of the second half, so that well-formed sequences occur.
      bytes.push_back(static_cast<char>(random() % 2 == 0 ? random() % 128 : 0xC3 - random() % 40));
    }
    TokenizerData data = ByteVocabulary();
    data.normalize_nfc = false;
    AddMerge(data, "a", "b");
    EXPECT_EQ(MakeTokenizer(data).Decode(Parse(MakeTokenizer(data), bytes)), bytes);
  }
}

TEST(Tokenizer, EncodesEachInvalidByteByItself) {
  TokenizerData data = ByteVocabulary();
  AddMerge(data, EncodeByteAlphabet("\xFF"), EncodeByteAlphabet("\xFF"));
  EXPECT_THAT(Parse(MakeTokenizer(data), "a\xFF\xFF"), ElementsAre('a', 0xFF, 0xFF));
}

TEST(Tokenizer, NormalizesToNfc) {
  const Tokenizer& tokenizer = BuiltinTokenizer();
  EXPECT_EQ(tokenizer.Decode(Parse(tokenizer, "e\u0301")), "\u00e9");
}

TEST(Tokenizer, FindsTokensByTheirBytes) {
  const Tokenizer& tokenizer = BuiltinTokenizer();
  EXPECT_EQ(tokenizer.Find("<|im_start|>"), 151644u);
  EXPECT_EQ(tokenizer.Find(" world"), 1879u);
  EXPECT_EQ(tokenizer.Find("no such token, surely"), std::nullopt);
  EXPECT_EQ(tokenizer.TokenBytes(1879), " world");
  EXPECT_EQ(tokenizer.TokenBytes(4000000000), "");
  EXPECT_TRUE(tokenizer.IsSpecial(151645));
  EXPECT_FALSE(tokenizer.IsSpecial(151667));
  EXPECT_FALSE(tokenizer.IsSpecial(4000000000));
  EXPECT_EQ(tokenizer.vocab_size(), 151675u);
}

TEST(Tokenizer, TakesTheLongestOfTheAddedTokensThatBeginAtOnePlace) {
  TokenizerData data = WithAddedToken({.id = 300, .content = "<a"});
  data.added_tokens.push_back({.id = 301, .content = "<a>"});
  const Tokenizer tokenizer = MakeTokenizer(data);
  EXPECT_THAT(Parse(tokenizer, "<<a><ab"), ElementsAre('<', 301, 300, 'b'));
}

TEST(Tokenizer, LetsAnAddedTokenTakeWhiteSpaceAlong) {
  const Tokenizer left = MakeTokenizer(WithAddedToken({.id = 300, .content = "<m>", .lstrip = true}));
  EXPECT_THAT(Parse(left, "a \u3000<m> b"), ElementsAre('a', 300, ' ', 'b'));
  const Tokenizer right = MakeTokenizer(WithAddedToken({.id = 300, .content = "<m>", .rstrip = true}));
  EXPECT_THAT(Parse(right, "a <m>\n\u3000b"), ElementsAre('a', ' ', 300, 'b'));
}

TEST(Tokenizer, SharesWhiteSpaceBetweenStrippingTokensOnce) {
  const Tokenizer tokenizer =
      MakeTokenizer(WithAddedToken({.id = 300, .content = "<m>", .lstrip = true, .rstrip = true}));
  EXPECT_THAT(Parse(tokenizer, " <m>  <m> a"), ElementsAre(300, 300, 'a'));
}

TEST(Tokenizer, RefusesASingleWordTokenInsideAWord) {
  const Tokenizer tokenizer =
      MakeTokenizer(WithAddedToken({.id = 300, .content = "ab", .single_word = true}));
  EXPECT_THAT(Parse(tokenizer, "ab-ab"), ElementsAre(300, '-', 300));
  EXPECT_THAT(Parse(tokenizer, "cab"), ElementsAre('c', 'a', 'b'));
  EXPECT_THAT(Parse(tokenizer, "ab_"), ElementsAre('a', 'b', '_'));
  EXPECT_THAT(Parse(tokenizer,
                    "\u00e9"
                    "ab"),
              ElementsAre(0xC3, 0xA9, 'a', 'b'));
}

TEST(Tokenizer, LooksForNormalizedTokensInNormalizedText) {
  const Tokenizer normalized =
      MakeTokenizer(WithAddedToken({.id = 300, .content = "<e\u0301>", .normalized = true}));
  EXPECT_THAT(Parse(normalized, "<\u00e9><e\u0301>"), ElementsAre(300, 300));
  const Tokenizer original = MakeTokenizer(WithAddedToken({.id = 300, .content = "<e\u0301>"}));
  EXPECT_THAT(Parse(original, "<\u00e9><e\u0301>"), ElementsAre('<', 0xC3, 0xA9, '>', 300));
}

TEST(TokenizerCreate, RefusesAVocabularyWithoutAllBytes) {
  TokenizerData data = ByteVocabulary();
  data.tokens[65].clear();
  EXPECT_THAT(CreateError(data), HasSubstr("byte 0x41 has no token"));
}

TEST(TokenizerCreate, RefusesAmbiguousTokens) {
  TokenizerData data = ByteVocabulary();
  data.tokens.emplace_back("a");
  EXPECT_THAT(CreateError(data), HasSubstr("tokens 97 and 256 are the same"));
}

TEST(TokenizerCreate, RefusesTokensOutsideTheByteAlphabet) {
  TokenizerData data = ByteVocabulary();
  data.tokens.emplace_back("a b");
  EXPECT_THAT(CreateError(data), HasSubstr("token 256 is not written in the byte alphabet"));
}

TEST(TokenizerCreate, RefusesMergesThatDoNotFit) {
  TokenizerData unknown = ByteVocabulary();
  unknown.merges.emplace_back("a", "zz");
  EXPECT_THAT(CreateError(unknown), HasSubstr("merge 0: 'a' and 'zz' must be tokens"));
  TokenizerData no_result = ByteVocabulary();
  no_result.merges.emplace_back("a", "b");
  EXPECT_THAT(CreateError(no_result), HasSubstr("join to one"));
  TokenizerData empty = ByteVocabulary();
  empty.merges.emplace_back("", "a");
  EXPECT_THAT(CreateError(empty), HasSubstr("merge 0"));
  TokenizerData twice = ByteVocabulary();
  AddMerge(twice, "a", "b");
  twice.merges.emplace_back("a", "b");
  EXPECT_THAT(CreateError(twice), HasSubstr("there twice"));
}

TEST(TokenizerCreate, RefusesConflictingAddedTokens) {
  EXPECT_THAT(CreateError(WithAddedToken({.id = 65, .content = "<x>"})), HasSubstr("id 65 is already 'A'"));
  EXPECT_THAT(CreateError(WithAddedToken({.id = 300, .content = "A"})),
              HasSubstr("the vocabulary has it as id 65"));
  EXPECT_THAT(CreateError(WithAddedToken({.id = 300, .content = ""})), HasSubstr("1 to"));
  EXPECT_THAT(CreateError(WithAddedToken({.id = 300, .content = "\xFF"})), HasSubstr("UTF-8"));
  EXPECT_THAT(CreateError(WithAddedToken({.id = 4000000000, .content = "<x>"})), HasSubstr("is above"));
  TokenizerData data = WithAddedToken({.id = 300, .content = "<x>"});
  data.added_tokens.push_back({.id = 300, .content = "<y>"});
  EXPECT_THAT(CreateError(data), HasSubstr("id 300 is there twice"));
  data.added_tokens[1] = {.id = 301, .content = "<x>"};
  EXPECT_THAT(CreateError(data), HasSubstr("'<x>' is there twice"));
}

TEST(TokenizerCreate, AcceptsAnAddedTokenThatTheVocabularyListsToo) {
  TokenizerData data = ByteVocabulary();
  data.tokens.emplace_back("<x>");
  data.added_tokens.push_back({.id = 256, .content = "<x>"});
  const Tokenizer tokenizer = MakeTokenizer(data);
  EXPECT_THAT(Parse(tokenizer, "<x>"), ElementsAre(256));
  EXPECT_THAT(tokenizer.Encode("<x>", AddedTokens::kPlainText), ElementsAre('<', 'x', '>'));
}

}  // namespace
}  // namespace mimo
