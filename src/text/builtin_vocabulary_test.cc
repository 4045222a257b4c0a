#include "text/builtin_vocabulary.h"

#include <gtest/gtest.h>

#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

TokenizerData Builtin() { return BuiltinMimoVocabulary().value(); }

TEST(BuiltinVocabulary, HasQwen2sTokensAndMimosAddedOnes) {
  const TokenizerData data = Builtin();
  EXPECT_EQ(data.tokens.size(), 151643u);
  EXPECT_EQ(data.tokens[0], "!");
  EXPECT_EQ(data.tokens[256], "ĠĠ");
  EXPECT_EQ(data.added_tokens.size(), 32u);
  EXPECT_EQ(data.added_tokens.back().id, 151674u);
}

TEST(BuiltinVocabulary, SurvivesTokenizerJson) {
  const TokenizerData data = Builtin();
  const Result<TokenizerData> read = ParseTokenizerJson(TokenizerJson(data));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->tokens, data.tokens);
  EXPECT_EQ(read->merges, data.merges);
  EXPECT_EQ(read->added_tokens.size(), data.added_tokens.size());
}

TEST(TruncateVocabulary, KeepsEveryIdBelowTheSize) {
  const Result<TokenizerData> small = TruncateVocabulary(Builtin(), 1000);
  ASSERT_TRUE(small) << small.error().message;
  const Tokenizer tokenizer = MakeTokenizer(*small);
  EXPECT_EQ(tokenizer.vocab_size(), 1000u);
  EXPECT_EQ(tokenizer.Find("<|im_end|>"), 970u);
  const std::string text = "Truncated, and still \xF0\x9F\x98\x80 text.<|im_end|>";
  const std::vector<TokenId> ids = tokenizer.Encode(text, AddedTokens::kParse);
  EXPECT_LT(ids.size(), text.size());
  EXPECT_EQ(tokenizer.Decode(ids), text);
  EXPECT_EQ(ids.back(), 970u);
}

TEST(TruncateVocabulary, NeedsRoomForTheBytesAndTheAddedTokens) {
  EXPECT_TRUE(TruncateVocabulary(Builtin(), 256 + 32));
  const Result<TokenizerData> refused = TruncateVocabulary(Builtin(), 256 + 31);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

TEST(TruncateVocabulary, LeavesASmallVocabularyAlone) {
  const Result<TokenizerData> same = TruncateVocabulary(Builtin(), 152576);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->tokens.size(), 151643u);
  EXPECT_EQ(same->added_tokens[0].id, 151643u);
}

}  // namespace
}  // namespace mimo
