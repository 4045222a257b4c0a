#include "server/agent_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

AgentTrace Parse(std::string_view text) {
  auto trace = ParseAgentTrace(text);
  EXPECT_TRUE(trace.has_value()) << (trace ? "" : trace.error().message);
  return trace ? std::move(*trace) : AgentTrace();
}

std::string TraceError(std::string_view text) {
  const auto trace = ParseAgentTrace(text);
  return trace ? "" : trace.error().message;
}

std::vector<std::string> RolesOf(const TraceTurn& turn) {
  std::vector<std::string> roles;
  for (const ChatMessage& message : std::get<TraceMessages>(turn.content).request.messages) {
    roles.push_back(message.role);
  }
  return roles;
}

TEST(AgentTrace, ReadsTokensAndWhatTheyContinue) {
  const AgentTrace trace = Parse(R"({"id":"a","tokens":[1,2,3],"max_tokens":7}
{"after":"a","tokens":[],"reply":[9]}

{"id":5,"after":"a","keep":2,"tokens":[4]}
)");
  ASSERT_EQ(trace.turns.size(), 3U);
  EXPECT_THAT(std::get<TraceTokens>(trace.turns[0].content).tokens, ElementsAre(1, 2, 3));
  EXPECT_EQ(trace.turns[0].max_tokens, 7U);
  EXPECT_FALSE(trace.turns[0].after.has_value());
  EXPECT_EQ(trace.turns[1].id, "2");
  EXPECT_EQ(trace.turns[1].after, 0U);
  EXPECT_THAT(*std::get<TraceTokens>(trace.turns[1].content).reply, ElementsAre(9));
  EXPECT_EQ(trace.turns[2].id, "5");
  EXPECT_EQ(trace.turns[2].keep, 2U);
}

TEST(AgentTrace, ReadsRequestsAsTheyWereSent) {
  const AgentTrace trace = Parse(
      R"({"model":"mimo-v2.5","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"tools":[{"type":"function","function":{"name":"f"}}]})");
  ASSERT_EQ(trace.turns.size(), 1U);
  EXPECT_THAT(RolesOf(trace.turns[0]), ElementsAre("system", "user"));
  EXPECT_TRUE(std::get<TraceMessages>(trace.turns[0].content).has_tools);
  EXPECT_EQ(trace.turns[0].model, "mimo-v2.5");
  EXPECT_FALSE(trace.HasOnlyCounts());
}

TEST(AgentTrace, UnwrapsLogsAndBatchFiles) {
  const AgentTrace trace = Parse(
      R"({"request":{"model":"m","messages":[{"role":"user","content":"u"}]},"response":{"usage":{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}}
{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"v"}],"max_completion_tokens":3}})");
  ASSERT_EQ(trace.turns.size(), 2U);
  EXPECT_EQ(trace.turns[0].recorded,
            (TokenCounts{.prompt = 10, .cached = 4, .completion = 2, .reasoning = 0}));
  EXPECT_EQ(trace.turns[0].model, "m");
  EXPECT_EQ(trace.turns[1].id, "b");
  EXPECT_EQ(trace.turns[1].max_tokens, 3U);
}

TEST(AgentTrace, MakesATurnOfEachReplyOfAConversation) {
  const AgentTrace trace = Parse(
      R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"a"},{"role":"tool","tool_call_id":"c","content":"r"},{"role":"assistant","content":"b"},{"role":"user","content":"w"},{"role":"assistant","content":"c"}]})");
  ASSERT_EQ(trace.turns.size(), 3U);
  EXPECT_THAT(RolesOf(trace.turns[0]), ElementsAre("system", "user"));
  EXPECT_THAT(RolesOf(trace.turns[1]), ElementsAre("assistant", "tool"));
  EXPECT_THAT(RolesOf(trace.turns[2]), ElementsAre("assistant", "user"));
  EXPECT_EQ(trace.turns[1].after, 0U);
  EXPECT_EQ(trace.turns[2].after, 1U);
}

TEST(AgentTrace, TakesOneMessageALineForOneConversation) {
  const AgentTrace trace = Parse(R"({"role":"user","content":"u"}
{"role":"assistant","content":"a"}
{"role":"user","content":"v"}
{"role":"assistant","content":"b"})");
  ASSERT_EQ(trace.turns.size(), 2U);
  EXPECT_THAT(RolesOf(trace.turns[1]), ElementsAre("assistant", "user"));
}

TEST(AgentTrace, ReadsCounts) {
  const AgentTrace trace = Parse(R"({"counts":{"prompt":387000000,"cached":371520000,"requests":4000}}
{"usage":{"input_tokens":5,"cache_read_input_tokens":7,"cache_creation_input_tokens":1,"output_tokens":3}})");
  ASSERT_EQ(trace.turns.size(), 2U);
  EXPECT_TRUE(trace.HasOnlyCounts());
  const auto& counts = std::get<TraceCounts>(trace.turns[0].content);
  EXPECT_EQ(counts.counts.cached, 371520000U);
  EXPECT_EQ(counts.num_requests, 4000U);
  EXPECT_EQ(trace.turns[1].recorded,
            (TokenCounts{.prompt = 13, .cached = 7, .completion = 3, .reasoning = 0}));
}

TEST(AgentTrace, NamesTheLineAtFault) {
  EXPECT_THAT(TraceError(""), HasSubstr("no turn"));
  EXPECT_THAT(TraceError("{\"tokens\":[1]}\n{"), HasSubstr("line 2: "));
  EXPECT_THAT(TraceError("[1]"), HasSubstr("line 1: a line must be a JSON object"));
  EXPECT_THAT(TraceError("{}"), HasSubstr("'messages', 'tokens', 'counts' or 'usage'"));
  EXPECT_THAT(TraceError(R"({"tokens":[-1]})"), HasSubstr("'tokens'"));
  EXPECT_THAT(TraceError(R"({"messages":[]})"), HasSubstr("'messages'"));
  EXPECT_THAT(TraceError(R"({"tokens":[1],"after":"x"})"), HasSubstr("'after'"));
  EXPECT_THAT(TraceError(R"({"tokens":[1],"keep":3})"), HasSubstr("'keep'"));
  EXPECT_THAT(TraceError("{\"id\":\"a\",\"tokens\":[1]}\n{\"id\":\"a\",\"tokens\":[1]}"), HasSubstr("'a'"));
  EXPECT_THAT(TraceError("{\"tokens\":[1]}\n{\"after\":\"1\",\"counts\":{\"prompt\":1}}"),
              HasSubstr("another form"));
  EXPECT_THAT(TraceError(R"({"counts":{"prompt":5,"cached":6}})"), HasSubstr("more cached"));
}

}  // namespace
}  // namespace mimo
