#include "server/trace_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/server_testutil.h"
#include "text/encode_prompt.h"

namespace mimo {
namespace {

using testing::ElementsAre;

class TraceHistoryTest : public testing::Test {
 protected:
  TraceHistory Open(std::string_view text) {
    trace_ = ParseAgentTrace(text).value();
    return TraceHistory(trace_, &tokenizer_, chat_template_);
  }

  // What a client that sends this conversation whole has for a prompt.
  std::vector<TokenId> PromptOf(std::string_view request) {
    const ChatRequest chat = ParseChatRequest(*ParseJson(request)).value();
    return EncodePrompt(tokenizer_, chat_template_.RenderPrompt(chat).value());
  }

  Tokenizer tokenizer_ = MakeByteTokenizer().value();
  ChatTemplate chat_template_{ChatTemplateKind::kMimoV26};
  AgentTrace trace_;
};

TEST_F(TraceHistoryTest, PutsTheReplyBetweenTokens) {
  TraceHistory history = Open(R"({"id":"a","tokens":[1,2]}
{"id":"b","after":"a","tokens":[3]}
{"id":"c","after":"b","tokens":[4],"reply":[30]}
{"id":"d","after":"c","tokens":[5]}
{"id":"e","after":"a","keep":3,"tokens":[6]})");
  EXPECT_THAT(*history.Prompt(0), ElementsAre(1, 2));
  history.AddReply(0, {.tokens = {10, 11}, .text = ""});
  EXPECT_THAT(*history.Prompt(1), ElementsAre(1, 2, 10, 11, 3));
  history.AddReply(1, {.tokens = {20}, .text = ""});
  history.AddReply(2, {.tokens = {99}, .text = ""});
  EXPECT_THAT(*history.Prompt(3), ElementsAre(1, 2, 10, 11, 3, 20, 4, 30, 5))
      << "the recorded reply, not ours";
  EXPECT_THAT(*history.Prompt(4), ElementsAre(1, 2, 10, 6));
}

TEST_F(TraceHistoryTest, SendsBackWhatTheModelSaid) {
  TraceHistory history = Open(R"({"id":"a","messages":[{"role":"user","content":"hi"}]}
{"after":"a","messages":[{"role":"user","content":"more"}]})");
  history.AddReply(0, {.tokens = {}, .text = "yes"});
  EXPECT_EQ(*history.Prompt(1), PromptOf(R"({"messages":[{"role":"user","content":"hi"},
    {"role":"assistant","content":"yes"},{"role":"user","content":"more"}]})"));
}

TEST_F(TraceHistoryTest, SendsBackTheCallsTheModelMade) {
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"f","parameters":
    {"type":"object","properties":{"a":{"type":"string"}}}}}])";
  std::string text = R"({"id":"a","messages":[{"role":"user","content":"hi"}],)" + tools + "}";
  std::erase(text, '\n');
  TraceHistory history =
      Open(text + "\n" + R"({"after":"a","messages":[{"role":"tool","tool_call_id":"x","content":"r"}]})");
  history.AddReply(
      0, {.tokens = {}, .text = "<tool_call><function=f><parameter=a>1</parameter></function></tool_call>"});
  EXPECT_EQ(*history.Prompt(1), PromptOf(R"({"messages":[{"role":"user","content":"hi"},
    {"role":"assistant","content":"","tool_calls":[{"id":"x","type":"function",
      "function":{"name":"f","arguments":"{\"a\":\"1\"}"}}]},
    {"role":"tool","tool_call_id":"x","content":"r"}],)" +
                                         tools + "}"));
}

TEST_F(TraceHistoryTest, TakesARecordedReplyInsteadOfTheModels) {
  TraceHistory history = Open(
      R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"no"},{"role":"user","content":"more"},{"role":"assistant","content":"x"}]})");
  history.AddReply(0, {.tokens = {}, .text = "yes"});
  EXPECT_EQ(*history.Prompt(1), PromptOf(R"({"messages":[{"role":"user","content":"hi"},
    {"role":"assistant","content":"no"},{"role":"user","content":"more"}]})"));
}

}  // namespace
}  // namespace mimo
