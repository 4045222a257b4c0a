#include "text/sampled_reply.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

ChatRequest Conversation() {
  const Json body = {
      {"messages", {{{"role", "user"}, {"content", "What is the weather in Oslo and in Rome?"}}}},
      {"tools",
       {{{"type", "function"},
         {"function",
          {{"name", "weather"},
           {"description", "The weather."},
           {"parameters",
            {{"type", "object"},
             {"properties", {{"cities", {{"type", "array"}}}, {"unit", {{"type", "string"}}}}}}}}}}}}};
  return ParseChatRequest(body).value();
}

// As no tokenizer would: every byte its own token, but for the markers.
std::vector<TokenId> ByteByByte(std::string_view text) {
  const Tokenizer& tokenizer = BuiltinTokenizer();
  std::vector<TokenId> tokens;
  while (!text.empty()) {
    size_t size = 1;
    for (const std::string_view marker :
         {"<think>", "</think>", "<tool_call>", "</tool_call>", "<|im_end|>"}) {
      if (text.starts_with(marker)) size = marker.size();
    }
    const std::vector<TokenId> part = tokenizer.Encode(text.substr(0, size), AddedTokens::kParse);
    tokens.insert(tokens.end(), part.begin(), part.end());
    text.remove_prefix(size);
  }
  return tokens;
}

// What an OpenAI client sends back: arguments are a string, which it may have parsed and written again.
Json AsSentBack(const ParsedOutput& reply) {
  Json message = {{"role", "assistant"}, {"content", reply.content}, {"reasoning_content", reply.reasoning}};
  for (const ToolCall& call : reply.tool_calls) {
    message["tool_calls"].push_back(
        {{"id", "call_1"},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", call.arguments.dump(4)}}}});
  }
  return message;
}

struct Case {
  ChatTemplateKind kind;
  bool thinks;
  const char* reply;
};

class SampledReplyTest : public ::testing::TestWithParam<Case> {};

TEST_P(SampledReplyTest, StandsInTheNextPromptAsItWasSampled) {
  const Tokenizer& tokenizer = BuiltinTokenizer();
  const ChatTemplate chat_template(GetParam().kind);
  SampledTurns turns(1 << 20);
  ChatRequest request = Conversation();
  request.enable_thinking = GetParam().thinks;
  const RenderedPrompt prompt = chat_template.RenderPrompt(request).value();
  std::vector<TokenId> expected = EncodePrompt(tokenizer, prompt, &turns);
  EXPECT_EQ(expected, EncodePrompt(tokenizer, prompt));

  const OutputParserOptions parser = {.parse_tool_calls = true, .tools = request.tools};
  const std::vector<TokenId> sampled = ByteByByte(std::string(GetParam().reply) + "<|im_end|>");
  SampledReply reply(PlaceOfReply(tokenizer, prompt), parser);
  reply.Add(GetParam().reply, sampled);
  std::optional<SampledTurn> turn = reply.Turn(chat_template, tokenizer);
  ASSERT_TRUE(turn);
  turns.Remember(*std::move(turn));
  expected.insert(expected.end(), sampled.begin(), sampled.end());

  Json next = {{"messages", Json::array()}};
  next["messages"].push_back({{"role", "user"}, {"content", request.messages[0].content}});
  next["messages"].push_back(AsSentBack(ParseOutput(GetParam().reply, parser)));
  next["messages"].push_back({{"role", "user"}, {"content", "Go on. <|im_end|>"}});
  ChatRequest next_request = ParseChatRequest(next).value();
  next_request.tools = request.tools;
  next_request.enable_thinking = GetParam().thinks;
  const RenderedPrompt next_prompt = chat_template.RenderPrompt(next_request).value();
  const std::vector<TokenId> tokens = EncodePrompt(tokenizer, next_prompt, &turns);
  ASSERT_GT(tokens.size(), expected.size());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), tokens.begin()));

  const std::vector<TokenId> plain = EncodePrompt(tokenizer, next_prompt);
  EXPECT_FALSE(std::equal(expected.begin(), expected.end(), plain.begin())) << "it would not be needed";
  EXPECT_EQ(std::vector<TokenId>(tokens.end() - 12, tokens.end()),
            std::vector<TokenId>(plain.end() - 12, plain.end()));
}

INSTANTIATE_TEST_SUITE_P(
    Templates, SampledReplyTest,
    testing::Values(
        Case{ChatTemplateKind::kMimoV25, true,
             "<think>\nTwo cities.\n</think>\n\nOne moment.\n<tool_call>\n<function=weather>\n"
             "<parameter=cities>[ \"Oslo\",\"Rome\" ]</parameter>\n<parameter=unit>C</parameter>\n"
             "</function>\n</tool_call>"},
        Case{ChatTemplateKind::kMimoV25, false, "It is cold in Oslo."},
        Case{ChatTemplateKind::kMimoV26, true,
             "<think>Two cities.</think><tool_call><function=weather><parameter=cities>[\"Oslo\",\n"
             "\"Rome\"]</parameter></function></tool_call>"},
        Case{ChatTemplateKind::kMimoV26, false, "It is <b>cold</b> in Oslo.\n"}));

TEST(SampledReply, OneThatAGrammarEndedIsATurn) {
  const ChatTemplate chat_template(ChatTemplateKind::kMimoV26);
  const RenderedPrompt prompt = chat_template.RenderPrompt(Conversation()).value();
  const ReplyPlace place = PlaceOfReply(BuiltinTokenizer(), prompt);
  SampledReply by_grammar(place, {});
  by_grammar.Add("It is cold.", ByteByByte("It is cold."));
  SampledReply by_itself(place, {});
  by_itself.Add("It is cold.", ByteByByte("It is cold.<|im_end|>"));
  const auto turn = by_grammar.Turn(chat_template, BuiltinTokenizer());
  const auto expected = by_itself.Turn(chat_template, BuiltinTokenizer());
  ASSERT_TRUE(turn && expected);
  EXPECT_EQ(turn->text, expected->text);
  EXPECT_EQ(turn->tokens, expected->tokens);
}

TEST(SampledReply, IsNoTurnWhenAnotherTokenEndedIt) {
  const ChatTemplate chat_template(ChatTemplateKind::kMimoV26);
  const RenderedPrompt prompt = chat_template.RenderPrompt(Conversation()).value();
  SampledReply reply(PlaceOfReply(BuiltinTokenizer(), prompt), {});
  reply.Add("It is", ByteByByte("It is!"));
  EXPECT_FALSE(reply.Turn(chat_template, BuiltinTokenizer()));
}

}  // namespace
}  // namespace mimo
