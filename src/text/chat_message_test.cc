#include "text/chat_message.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

Result<ChatRequest> Parse(std::string_view text) { return ParseChatRequest(ParseJson(text).value()); }

std::string ErrorOf(std::string_view text, ErrorCode code = ErrorCode::kInvalidArgument) {
  const Result<ChatRequest> request = Parse(text);
  if (request) return "no error";
  EXPECT_EQ(request.error().code, code);
  return request.error().message;
}

std::string WithField(std::string_view field) {
  return fmt::format(R"({{"messages": [{{"role": "user", "content": "x"}}], {}}})", field);
}

TEST(ParseChatRequest, ReadsEveryFormOfContent) {
  const ChatRequest request = Parse(R"({"messages": [
      {"role": "system", "content": "s"}, {"role": "developer", "content": ["a", {"text": "b"}]},
      {"role": "user", "content": [{"type": "text", "text": "one "}, {"type": "input_text", "text": "two"}]},
      {"role": "assistant", "content": null}, {"role": "assistant"}, {"role": "tool", "content": [],
       "tool_call_id": "c1"}]})")
                                  .value();
  ASSERT_EQ(request.messages.size(), 6u);
  EXPECT_EQ(request.messages[0].content, "s");
  EXPECT_EQ(request.messages[1].role, "developer");
  EXPECT_EQ(request.messages[1].content, "ab");
  EXPECT_EQ(request.messages[2].content, "one two");
  EXPECT_EQ(request.messages[3].content, "");
  EXPECT_EQ(request.messages[4].content, "");
  EXPECT_EQ(request.messages[5].tool_call_id, "c1");
}

TEST(ParseChatRequest, ReadsReasoningUnderBothNames) {
  const ChatRequest request = Parse(R"({"messages": [
      {"role": "assistant", "content": "a", "reasoning_content": "own", "reasoning": "other"},
      {"role": "assistant", "content": "a", "reasoning": "other"},
      {"role": "assistant", "content": "a", "reasoning_content": null}]})")
                                  .value();
  EXPECT_EQ(request.messages[0].reasoning_content, "own");
  EXPECT_EQ(request.messages[1].reasoning_content, "other");
  EXPECT_FALSE(request.messages[2].reasoning_content);
}

TEST(ParseChatRequest, ReadsArgumentsAsStringOrObject) {
  const ChatRequest request = Parse(R"({"messages": [{"role": "assistant", "tool_calls": [
      {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
      {"function": {"name": "g", "arguments": {"b": [2]}}}, {"function": {"name": "h", "arguments": ""}},
      {"function": {"name": "i"}}]}]})")
                                  .value();
  const std::vector<ToolCall>& calls = request.messages[0].tool_calls;
  ASSERT_EQ(calls.size(), 4u);
  EXPECT_EQ(calls[0].id, "1");
  EXPECT_EQ(DumpJson(calls[0].arguments), R"({"a":1})");
  EXPECT_EQ(DumpJson(calls[1].arguments), R"({"b":[2]})");
  EXPECT_EQ(DumpJson(calls[2].arguments), "{}");
  EXPECT_EQ(DumpJson(calls[3].arguments), "{}");
}

TEST(ParseChatRequest, SkipsToolsOfOtherTypes) {
  const ChatRequest request =
      Parse(WithField(R"("tools": [{"type": "web_search", "limit": 1}, {"type": "function", "function":
            {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}}])"))
          .value();
  ASSERT_EQ(request.tools.size(), 1u);
  EXPECT_EQ(request.tools[0].name, "f");
  EXPECT_EQ(request.tools[0].description, "d");
  EXPECT_EQ(DumpJson(request.tools[0].parameters), R"({"type":"object"})");
  EXPECT_EQ(request.tools[0].raw["function"]["strict"], true);
}

TEST(ParseChatRequest, TakesNullForNotGiven) {
  const ChatRequest request =
      Parse(WithField(R"("tools": null, "thinking": null, "reasoning_effort": null, "enable_thinking": null,
                          "chat_template_kwargs": null)"))
          .value();
  EXPECT_TRUE(request.tools.empty());
  EXPECT_FALSE(request.enable_thinking);
  EXPECT_TRUE(request.add_generation_prompt);
}

TEST(ParseChatRequest, ReadsEachSwitchOfThinking) {
  const auto thinking = [](std::string_view field) { return Parse(WithField(field))->enable_thinking; };
  EXPECT_EQ(thinking(R"("enable_thinking": false)"), false);
  EXPECT_EQ(thinking(R"("chat_template_kwargs": {"enable_thinking": true})"), true);
  EXPECT_EQ(thinking(R"("thinking": {"type": "disabled"})"), false);
  EXPECT_EQ(thinking(R"("thinking": {"type": "enabled"})"), true);
  EXPECT_EQ(thinking(R"("thinking": {"type": "adaptive"})"), true);
  EXPECT_EQ(thinking(R"("reasoning_effort": "none")"), false);
  EXPECT_EQ(thinking(R"("reasoning_effort": "low")"), true);
  EXPECT_EQ(thinking(R"("seed": 1)"), std::nullopt);
}

TEST(ParseChatRequest, PrefersTheMostSpecificSwitchOfThinking) {
  const auto thinking = [](std::string_view field) { return Parse(WithField(field))->enable_thinking; };
  EXPECT_EQ(thinking(R"("reasoning_effort": "none", "thinking": {"type": "enabled"})"), true);
  EXPECT_EQ(thinking(R"("thinking": {"type": "enabled"}, "enable_thinking": false)"), false);
  EXPECT_EQ(thinking(R"("enable_thinking": false, "chat_template_kwargs": {"enable_thinking": true})"), true);
}

TEST(ParseChatRequest, NamesTheFieldOfAWrongType) {
  EXPECT_EQ(ErrorOf("[]"), "the request must be a JSON object");
  EXPECT_EQ(ErrorOf("{}"), "'messages' must be a list");
  EXPECT_EQ(ErrorOf(R"({"messages": []})"), "'messages' must hold at least one message");
  EXPECT_EQ(ErrorOf(R"({"messages": [{"role": "user"}, 3]})"), "'messages[1]' must be an object");
  EXPECT_EQ(ErrorOf(R"({"messages": [{"role": "user"}, {"role": "user"}, {"role": "user", "content": 3}]})"),
            "'messages[2].content' must be a string or a list of parts");
  EXPECT_EQ(ErrorOf(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]})"),
            "'messages[0].content[0].text' must be a string");
  EXPECT_EQ(ErrorOf(R"({"messages": [{"role": "robot"}]})"),
            "'messages[0].role' must be one of system, developer, user, assistant, tool");
  EXPECT_EQ(ErrorOf(R"({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f",
                      "arguments": "[1]"}}]}]})"),
            "'messages[0].tool_calls[0].function.arguments' must hold a JSON object");
  EXPECT_EQ(ErrorOf(R"({"messages": [{"role": "assistant", "reasoning_content": 1}]})"),
            "'messages[0].reasoning_content' must be a string");
  EXPECT_EQ(ErrorOf(WithField(R"("tools": {})")), "'tools' must be a list");
  EXPECT_EQ(ErrorOf(WithField(R"("tools": [{"type": "function", "function": {}}])")),
            "'tools[0].function.name' must be a string");
  EXPECT_EQ(ErrorOf(WithField(R"("chat_template_kwargs": {"enable_thinking": "yes"})")),
            "'chat_template_kwargs.enable_thinking' must be true or false");
}

TEST(ParseChatRequest, SaysThatMediaIsNotRead) {
  const std::string image = R"({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}})";
  EXPECT_EQ(ErrorOf(fmt::format(R"({{"messages": [{{"role": "user", "content": [{}]}}]}})", image),
                    ErrorCode::kUnimplemented),
            "'messages[0].content[0]' is of type 'image_url': this program reads text parts only");
}

}  // namespace
}  // namespace mimo
