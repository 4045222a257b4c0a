#include "data/tokenizer_recipe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/conversation_testutil.h"
#include "data/render.h"
#include "text/builtin_vocabulary.h"

namespace mimo {
namespace {

TEST(SmallModelAddedTokens, MakesOnlyTheControlTokensSpecial) {
  const std::vector<TokenizerData::AddedToken> tokens = SmallModelAddedTokens();
  for (const TokenizerData::AddedToken& token : tokens) {
    EXPECT_EQ(token.special, token.content.starts_with("<|")) << token.content;
    EXPECT_FALSE(token.normalized);
    // Else it would reach from the prompt into the answer.
    const size_t end = token.content.find("</think>");
    EXPECT_TRUE(end == std::string::npos || end + 8 == token.content.size()) << token.content;
  }
  for (const char* content : {"<|endoftext|>", "<think>", "</think>", "<tool_call>", "</tool_call>"}) {
    EXPECT_TRUE(std::any_of(tokens.begin(), tokens.end(), [content](const auto& token) {
      return token.content == content;
    })) << content;
  }
}

TEST(SmallModelAddedTokens, KeepTheHomesToolsShort) {
  ChatRequest request;
  size_t num_parameters = 0;
  for (const HomeTool& tool : HomeToolCatalogue()) {
    request.tools.push_back(tool.definition);
    num_parameters += tool.definition.parameters.at("properties").size();
  }
  request.messages.emplace_back();
  request.messages.back().role = "user";
  request.add_generation_prompt = false;
  const ChatTemplate chat_template(ChatTemplateKind::kMimoV26);
  // A vocabulary learnt from conversations that offer every tool.
  const auto next = [&] {
    Conversation conversation;
    conversation.tools = request.tools;
    return conversation;
  };
  Result<TokenizerData> data = BuildTokenizer(next, {.vocab_size = 1024, .text_bytes = 30'000}, nullptr);
  ASSERT_TRUE(data);
  const Result<Tokenizer> tokenizer = Tokenizer::Create(*std::move(data));
  ASSERT_TRUE(tokenizer);
  const size_t num_tokens = tokenizer->Encode(*chat_template.Render(request), AddedTokens::kParse).size();
  // Beside the tools: <|im_start|>, the heading, <|im_end|>; and the empty user message of three. Tools with
  // the same parameters save more than a third of two tokens per tool and two per parameter.
  EXPECT_LE(num_tokens, (2 * request.tools.size() + 2 * num_parameters) * 2 / 3 + 6);
}

TEST(SmallModelAddedTokens, MakeACallOfTwoTokensAndOnePerParameterBesideItsValues) {
  const std::string_view call =
      "<tool_call><function=HassTurnOn><parameter=name>1</parameter><parameter=device_class>2</parameter>"
      "</function></tool_call>";
  EXPECT_EQ(SmallTokenizer().Encode(call, AddedTokens::kParse).size(), 2u + 2 * 2 + 1);
  const std::string_view bare = "<tool_call><function=HassNevermind></function></tool_call>";
  EXPECT_EQ(SmallTokenizer().Encode(bare, AddedTokens::kParse).size(), 3u);
}

// Tools and parameters of others fall back to learnt tokens.
TEST(SmallModelAddedTokens, LeaveUnknownToolsReadable) {
  const std::string_view text =
      "<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"FeedCat\", \"parameters\": {\"type\": "
      "\"object\", \"properties\": {\"grams\": {\"type\": \"integer\"}}, \"required\": [\"grams\"]}}}\n"
      "</tools><tool_call><function=FeedCat><parameter=grams>30</parameter></function></tool_call>";
  EXPECT_EQ(SmallTokenizer().Decode(SmallTokenizer().Encode(text, AddedTokens::kParse)), text);
}

TEST(BuildTokenizer, GivesTheSameForTheSameConversations) {
  const TokenizerBuilderOptions options{.vocab_size = 700, .text_bytes = 10'000};
  const Result<TokenizerData> first = BuildTokenizer(SmallConversation, options, nullptr);
  const Result<TokenizerData> second = BuildTokenizer(SmallConversation, options, nullptr);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(TokenizerJson(*first), TokenizerJson(*second));
  EXPECT_TRUE(ParseTokenizerJson(TokenizerJson(*first)));
}

TEST(BuildTokenizer, SpendsFewTokensOnWhatEveryMessageHas) {
  // <|im_start|>, role, text, <|im_end|>.
  const std::string text = "<|im_start|>assistant\n<think></think>ok<|im_end|>";
  const std::vector<TokenId> tokens = SmallTokenizer().Encode(text, AddedTokens::kParse);
  EXPECT_LE(tokens.size(), 5u);
  EXPECT_EQ(SmallTokenizer().Decode(tokens), text);
}

TEST(BuildTokenizer, StopsWhenTheProgressSaysSo) {
  const auto cancel = [](uint64_t done) -> Status {
    EXPECT_GT(done, 0u);
    return MakeError(ErrorCode::kCancelled, "stopped");
  };
  const Result<TokenizerData> data = BuildTokenizer(SmallConversation, {}, cancel);
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace mimo
