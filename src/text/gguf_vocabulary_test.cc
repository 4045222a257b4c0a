#include "text/gguf_vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

using ::testing::HasSubstr;

// Bytes, three merges, a gap, then added tokens of both kinds, the last beyond the vocabulary.
TokenizerData SmallVocabulary() {
  TokenizerData data = ByteVocabulary();
  AddMerge(data, "l", "i");
  AddMerge(data, "g", "h");
  AddMerge(data, "li", "gh");
  data.tokens.emplace_back();
  data.added_tokens = {{.id = 260, .content = "<|im_start|>", .special = true},
                       {.id = 261, .content = "<|im_end|>", .special = true},
                       {.id = 262, .content = "<tool_call>"},
                       {.id = 263, .content = "</tool_call>", .normalized = true},
                       {.id = 270, .content = "<think>"}};
  return data;
}

Tokenizer ThroughGguf(const TokenizerData& data) {
  const Result<OwnedGgufVocabulary> vocabulary = GgufVocabularyFrom(data);
  MIMO_CHECK(vocabulary);
  Result<TokenizerData> read = TokenizerDataFromGguf(vocabulary->view());
  MIMO_CHECK(read);
  return MakeTokenizer(*std::move(read));
}

TEST(GgufVocabulary, GivesEveryKindOfTokenItsType) {
  const Result<OwnedGgufVocabulary> vocabulary = GgufVocabularyFrom(SmallVocabulary());
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  ASSERT_EQ(vocabulary->tokens.size(), 271U);
  EXPECT_EQ(vocabulary->token_types[258], 1);
  EXPECT_EQ(vocabulary->token_types[259], 5);
  EXPECT_EQ(vocabulary->tokens[259], "[PAD259]");
  EXPECT_EQ(vocabulary->token_types[261], 3);
  EXPECT_EQ(vocabulary->token_types[262], 4);
  EXPECT_EQ(vocabulary->token_types[269], 5);
  EXPECT_EQ(vocabulary->merges[2], "li gh");
}

TEST(GgufVocabulary, TheTokenizerReadBackGivesTheSameIds) {
  const Tokenizer direct = MakeTokenizer(SmallVocabulary());
  const Tokenizer read = ThroughGguf(SmallVocabulary());
  const std::string text =
      "<|im_start|>user\nlight  licht \xc3\xa4\xe4\xba\xba a\xcc\x88<|im_end|><tool_call>{\"a\": "
      "1}</tool_call><think>";
  for (const AddedTokens added : {AddedTokens::kParse, AddedTokens::kPlainText}) {
    const std::vector<TokenId> ids = direct.Encode(text, added);
    EXPECT_EQ(read.Encode(text, added), ids);
    EXPECT_EQ(read.Decode(ids), direct.Decode(ids));
  }
  for (TokenId id = 0; id < direct.vocab_size(); ++id) EXPECT_EQ(read.IsSpecial(id), direct.IsSpecial(id));
}

TEST(GgufVocabulary, TheBuiltinVocabularyReadBackGivesTheSameIds) {
  const Result<TokenizerData> builtin = BuiltinMimoVocabulary();
  ASSERT_TRUE(builtin);
  const Tokenizer read = ThroughGguf(*builtin);
  const std::string text = "Turn on the light in the kitchen: <tool_call>\n{} </tool_call><|im_end|> 3333";
  EXPECT_EQ(read.Encode(text, AddedTokens::kParse), BuiltinTokenizer().Encode(text, AddedTokens::kParse));
}

TEST(GgufVocabulary, RefusesWhatTheFormatCannotSay) {
  const auto error = [](const TokenizerData& data) {
    const Result<OwnedGgufVocabulary> vocabulary = GgufVocabularyFrom(data);
    return vocabulary ? std::string() : vocabulary.error().message;
  };
  TokenizerData data = SmallVocabulary();
  data.normalize_nfc = false;
  EXPECT_THAT(error(data), HasSubstr("NFC"));
  data = SmallVocabulary();
  data.added_tokens[2].lstrip = true;
  EXPECT_THAT(error(data), HasSubstr("'<tool_call>'"));
  data = SmallVocabulary();
  data.added_tokens[3].content = "\xc3\xa4";
  EXPECT_THAT(error(data), HasSubstr("normalized"));
  data = SmallVocabulary();
  data.added_tokens.push_back({.id = 256, .content = "li"});
  EXPECT_THAT(error(data), HasSubstr("merge 'l i'"));
}

}  // namespace
}  // namespace mimo
