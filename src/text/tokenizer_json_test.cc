#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// A valid file with one merge and one added token.
std::string SmallJson() {
  TokenizerData data = ByteVocabulary();
  AddMerge(data, "a", "b");
  data.added_tokens.push_back({.id = 257, .content = "<x>", .special = true, .rstrip = true});
  return TokenizerJson(data);
}

// SmallJson with one part replaced.
std::string Edited(std::string_view part, std::string_view replacement) {
  std::string json = SmallJson();
  const size_t position = json.find(part);
  EXPECT_NE(position, std::string::npos) << part;
  return json.replace(position, part.size(), replacement);
}

struct Refusal {
  ErrorCode code;
  std::string message;
};

Refusal RefusalOf(std::string_view json) {
  const Result<TokenizerData> data = ParseTokenizerJson(json);
  if (data) return {ErrorCode::kInternal, "accepted"};
  return {data.error().code, data.error().message};
}

void ExpectUnimplemented(std::string_view part, std::string_view replacement, const char* named) {
  const Refusal refusal = RefusalOf(Edited(part, replacement));
  EXPECT_EQ(refusal.code, ErrorCode::kUnimplemented) << replacement;
  EXPECT_THAT(refusal.message, HasSubstr(named));
}

void ExpectInvalid(std::string_view part, std::string_view replacement, const char* named) {
  const Refusal refusal = RefusalOf(Edited(part, replacement));
  EXPECT_EQ(refusal.code, ErrorCode::kInvalidArgument) << replacement;
  EXPECT_THAT(refusal.message, HasSubstr(named));
}

TEST(TokenizerJson, ReadsBackWhatItWrites) {
  const Result<TokenizerData> data = ParseTokenizerJson(SmallJson());
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->tokens.size(), 257u);
  EXPECT_THAT(data->merges, ElementsAre(Pair("a", "b")));
  ASSERT_EQ(data->added_tokens.size(), 1u);
  EXPECT_EQ(data->added_tokens[0].content, "<x>");
  EXPECT_EQ(data->added_tokens[0].id, 257u);
  EXPECT_TRUE(data->added_tokens[0].special);
  EXPECT_TRUE(data->added_tokens[0].rstrip);
  EXPECT_FALSE(data->added_tokens[0].lstrip);
  EXPECT_TRUE(data->normalize_nfc);
}

TEST(TokenizerJson, ReadsMergesAsStrings) {
  const Result<TokenizerData> data = ParseTokenizerJson(Edited(R"(["a","b"])", R"("a b")"));
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_THAT(data->merges, ElementsAre(Pair("a", "b")));
}

TEST(TokenizerJson, ReadsAFileWithoutNormalizer) {
  const Result<TokenizerData> data = ParseTokenizerJson(Edited(R"({"type":"NFC"})", "null"));
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_FALSE(data->normalize_nfc);
}

TEST(TokenizerJson, NamesWhatItDoesNotImplement) {
  ExpectUnimplemented(R"("NFC")", R"("NFKC")", "NFKC");
  ExpectUnimplemented(R"(\\s+(?!\\S))", R"(\\s+)", "'pattern'");
  ExpectUnimplemented(R"("Isolated")", R"("Removed")", "'behavior'");
  ExpectUnimplemented(R"("invert":false)", R"("invert":true)", "'invert'");
  ExpectUnimplemented(R"("add_prefix_space":false)", R"("add_prefix_space":true)", "'add_prefix_space'");
  ExpectUnimplemented(R"(,"use_regex":false}]})", R"(}]})", "'use_regex'");
  ExpectUnimplemented(R"("Sequence")", R"("Metaspace")", "Metaspace");
  ExpectUnimplemented(R"("BPE")", R"("Unigram")", "'type'");
  ExpectUnimplemented(R"("byte_fallback":false)", R"("byte_fallback":true)", "'byte_fallback'");
  ExpectUnimplemented(R"("ignore_merges":false)", R"("ignore_merges":true)", "'ignore_merges'");
  ExpectUnimplemented(R"("dropout":null)", R"("dropout":0.1)", "'dropout'");
  ExpectUnimplemented(R"("end_of_word_suffix":"")", R"("end_of_word_suffix":"</w>")", "'end_of_word_suffix'");
  ExpectUnimplemented(R"("fuse_unk":false)", R"("fuse_unk":false,"novelty":1)", "'novelty'");
  ExpectUnimplemented(R"("truncation":null)", R"("truncation":{"max_length":5})", "'truncation'");
  ExpectUnimplemented(R"("padding":null)", R"("padding":{})", "'padding'");
  ExpectUnimplemented(R"("post_processor":null)", R"("post_processor":{"type":"TemplateProcessing"})",
                      "TemplateProcessing");
  ExpectUnimplemented(R"("decoder":{"type":"ByteLevel")", R"("decoder":{"type":"WordPiece")", "WordPiece");
}

TEST(TokenizerJson, RefusesHostileIds) {
  ExpectInvalid(R"("ab":256)", R"("ab":255)", "the same id 255");
  ExpectInvalid(R"("ab":256)", R"("ab":4294967295)", "vocab");
  ExpectInvalid(R"("ab":256)", R"("ab":18446744073709551615)", "vocab");
  ExpectInvalid(R"("ab":256)", R"("ab":-1)", "vocab");
  ExpectInvalid(R"("ab":256)", R"("ab":1.5)", "vocab");
  ExpectInvalid(R"("ab":256)", R"("":256)", "empty");
  ExpectInvalid(R"("id":257)", R"("id":1e9)", "added_tokens");
}

TEST(TokenizerJson, RefusesMalformedParts) {
  ExpectInvalid(R"(["a","b"])", R"(["a"])", "merge 0");
  ExpectInvalid(R"(["a","b"])", R"("ab")", "merge 0");
  ExpectInvalid(R"(["a","b"])", R"("a b c")", "merge 0");
  ExpectInvalid(R"(["a","b"])", "7", "merge 0");
  ExpectInvalid(R"("special":true)", R"("special":1)", "'special'");
  ExpectInvalid(R"("content":"<x>")", R"("content":3)", "'content'");
  ExpectInvalid(R"("type":"NFC")", R"("type":3)", "normalizer");
  ExpectInvalid(R"("version":"1.0")", R"("version":)", "at byte");
  EXPECT_EQ(RefusalOf("[]").code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(RefusalOf("").code, ErrorCode::kInvalidArgument);
  EXPECT_NE(RefusalOf("{}").message, "accepted");
  EXPECT_EQ(RefusalOf(std::string(1000000, '[')).code, ErrorCode::kInvalidArgument);
}

TEST(TokenizerGguf, TellsTokensAddedTokensAndPaddingApart) {
  const std::vector<std::string> tokens = {"a", "<|x|>", "<y>", "[PAD3]", "[PAD7]", "unused"};
  const std::vector<int32_t> types = {1, 3, 4, 4, 4, 5};
  const std::vector<std::string> merges = {"a a"};
  const Result<TokenizerData> data = TokenizerDataFromGguf({tokens, types, merges, "qwen2"});
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_THAT(data->tokens, ElementsAre("a", "", "", "", "", ""));
  ASSERT_EQ(data->added_tokens.size(), 3u);
  EXPECT_TRUE(data->added_tokens[0].special);
  EXPECT_FALSE(data->added_tokens[1].special);
  EXPECT_EQ(data->added_tokens[2].content, "[PAD7]");
  EXPECT_THAT(data->merges, ElementsAre(Pair("a", "a")));
}

TEST(TokenizerGguf, RefusesWhatItCannotEncodeWith) {
  const std::vector<std::string> tokens = {"a"};
  const std::vector<int32_t> normal = {1};
  const std::vector<int32_t> byte = {6};
  const std::vector<int32_t> unknown = {77};
  const std::vector<std::string> merges = {"a"};
  EXPECT_EQ(TokenizerDataFromGguf({tokens, normal, {}, "llama3"}).error().code, ErrorCode::kUnimplemented);
  EXPECT_EQ(TokenizerDataFromGguf({tokens, byte, {}, "qwen2"}).error().code, ErrorCode::kUnimplemented);
  EXPECT_EQ(TokenizerDataFromGguf({tokens, unknown, {}, "qwen2"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(TokenizerDataFromGguf({tokens, {}, {}, "qwen2"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(TokenizerDataFromGguf({tokens, normal, merges, "qwen2"}).error().code,
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace mimo
