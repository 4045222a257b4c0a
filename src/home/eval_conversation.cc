#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "home/home_eval.h"
#include "home/home_tools.h"

namespace mimo {
EvalConversation::EvalConversation(const EvalCase& eval_case) : case_(eval_case) {
  context_.speaker_area = case_.speaker_area;
  context_.unix_seconds = case_.record->unix_seconds;
  transcript_.home_after = case_.home;
  // The same request as a training conversation's (data/render.h).
  request_.enable_thinking = false;
  request_.tools = case_.tools;
  request_.messages.push_back(TextMessage("system", HomeSystemPrompt(case_.home, case_.speaker_area)));
  request_.messages.push_back(TextMessage("user", case_.utterance));
  request_.messages.insert(request_.messages.end(), case_.history.begin(), case_.history.end());
}

void EvalConversation::Receive(EvalReply reply) {
  MIMO_CHECK(!done_);
  ChatMessage answer = TextMessage("assistant", reply.text);
  std::vector<ChatMessage> results;
  for (ToolCall& call : reply.calls) {
    if (call.id.empty()) {
      call.id = fmt::format("call_{}_{}", transcript_.replies.size(), results.size());
    }
    const ToolOutcome outcome = ApplyToolCall(transcript_.home_after, call, context_);
    transcript_.all_calls_ok = transcript_.all_calls_ok && outcome.ok;
    ChatMessage result = TextMessage("tool", outcome.text);
    result.tool_call_id = call.id;
    results.push_back(std::move(result));
  }
  answer.tool_calls = reply.calls;
  transcript_.replies.push_back(std::move(reply));
  done_ = results.empty() || transcript_.replies.size() >= case_.rounds_max;
  if (done_) return;
  request_.messages.push_back(std::move(answer));
  for (ChatMessage& result : results) request_.messages.push_back(std::move(result));
}

}  // namespace mimo
