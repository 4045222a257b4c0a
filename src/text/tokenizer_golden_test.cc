// Ids that other programs gave: tests/golden/tokenizer/README.md says which.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/json.h"
#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

std::string ReadGolden(const std::string& name) {
  std::ifstream file(std::string(MIMO_SOURCE_DIR) + "/tests/golden/tokenizer/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::vector<std::string> SplitBy(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (size_t end = text.find(separator); end != std::string_view::npos; end = text.find(separator)) {
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end + separator.size());
  }
  parts.emplace_back(text);
  return parts;
}

TEST(TokenizerGolden, EncodesTheVectorsOfLlamaCpp) {
  const std::vector<std::string> texts = SplitBy(ReadGolden("qwen2_vectors.inp"), "\n__ggml_vocab_test__\n");
  const std::vector<std::string> lines = SplitBy(ReadGolden("qwen2_vectors.out"), "\n");
  ASSERT_GE(texts.size(), 40u);
  ASSERT_GE(lines.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<TokenId> expected;
    std::istringstream line(lines[i]);
    for (TokenId id = 0; line >> id;) expected.push_back(id);
    EXPECT_EQ(BuiltinTokenizer().Encode(texts[i], AddedTokens::kPlainText), expected) << texts[i];
  }
}

TEST(TokenizerGolden, EncodesRandomUnicodeAsHuggingFaceDoes) {
  const std::vector<std::string> lines = SplitBy(ReadGolden("random_strings.jsonl"), "\n");
  ASSERT_EQ(lines.size(), 2001u);  // and the empty rest behind the last line break
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    const Result<Json> json = ParseJson(lines[i]);
    ASSERT_TRUE(json) << json.error().message;
    const auto text = json->at(0).get<std::string>();
    EXPECT_EQ(BuiltinTokenizer().Encode(text, AddedTokens::kParse), json->at(1).get<std::vector<TokenId>>())
        << text;
  }
}

TEST(TokenizerGolden, EncodesAPromptOfTheChatTemplate) {
  const char* prompt =
      "<|im_start|>system\nYou are MiMo, a helpful AI assistant engineered by Xiaomi.<|im_end|>"
      "<|im_start|>user\nHello<|im_end|><|im_start|>assistant\n<think></think>";
  const std::vector<TokenId> expected = {151644, 8948,  198,   2610,   525,    20740, 25612, 11,     264,
                                         10950,  15235, 17847, 44936,  553,    71449, 13,    151645, 151644,
                                         872,    198,   9707,  151645, 151644, 77091, 198,   151667, 151668};
  EXPECT_EQ(BuiltinTokenizer().Encode(prompt, AddedTokens::kParse), expected);
}

}  // namespace
}  // namespace mimo
