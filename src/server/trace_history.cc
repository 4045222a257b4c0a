#include "server/trace_history.h"

#include <algorithm>
#include <utility>

#include "text/output_parser.h"
#include "text/sampled_reply.h"

namespace mimo {
namespace {

constexpr size_t kSampledBytesMax = size_t{64} << 20;  // as the server

}  // namespace

TraceHistory::TraceHistory(const AgentTrace& trace, const Tokenizer* tokenizer,
                           const ChatTemplate& chat_template)
    : trace_(trace),
      tokenizer_(tokenizer),
      chat_template_(chat_template),
      replies_(trace.turns.size()),
      sampled_(kSampledBytesMax) {}

Result<std::vector<TokenId>> TraceHistory::Prompt(size_t turn) {
  if (std::holds_alternative<TraceTokens>(trace_.turns[turn].content)) return Tokens(turn);
  MIMO_ASSIGN_OR_RETURN(const RenderedPrompt prompt, chat_template_.RenderPrompt(Conversation(turn)));
  reply_place_ = PlaceOfReply(*tokenizer_, prompt);
  return EncodePrompt(*tokenizer_, prompt, &sampled_);
}

void TraceHistory::AddReply(size_t turn, TraceReply reply) {
  replies_[turn].tokens = std::move(reply.tokens);
  if (!std::holds_alternative<TraceMessages>(trace_.turns[turn].content)) return;
  const ChatRequest request = Conversation(turn);
  const OutputParserOptions options{.starts_in_reasoning = chat_template_.StartsInReasoning(request),
                                    .parse_tool_calls = !request.tools.empty(),
                                    .tools = request.tools};
  ParsedOutput parsed = ParseOutput(reply.text, options);
  ChatMessage message = TextMessage("assistant", std::move(parsed.content));
  if (!parsed.reasoning.empty()) message.reasoning_content = std::move(parsed.reasoning);
  message.tool_calls = std::move(parsed.tool_calls);
  replies_[turn].message = std::move(message);
  if (!reply.is_stopped) return;
  SampledReply sampled(reply_place_, options);
  sampled.Add(reply.text, replies_[turn].tokens);
  if (auto turn_as_sampled = sampled.Turn(chat_template_, *tokenizer_)) {
    sampled_.Remember(*std::move(turn_as_sampled));
  }
}

// The turns that `turn` continues, from the first one, and itself.
std::vector<size_t> TraceHistory::Ancestry(size_t turn) const {
  std::vector<size_t> ancestry = {turn};
  while (trace_.turns[ancestry.back()].after) ancestry.push_back(*trace_.turns[ancestry.back()].after);
  std::reverse(ancestry.begin(), ancestry.end());
  return ancestry;
}

std::vector<TokenId> TraceHistory::Tokens(size_t turn) const {
  std::vector<TokenId> tokens;
  for (const size_t index : Ancestry(turn)) {
    const TraceTurn& ancestor = trace_.turns[index];
    const auto& content = std::get<TraceTokens>(ancestor.content);
    if (ancestor.keep) tokens.resize(std::min(tokens.size(), *ancestor.keep));
    tokens.insert(tokens.end(), content.tokens.begin(), content.tokens.end());
    if (index == turn) break;
    const std::vector<TokenId>& reply = content.reply ? *content.reply : replies_[index].tokens;
    tokens.insert(tokens.end(), reply.begin(), reply.end());
  }
  return tokens;
}

ChatRequest TraceHistory::Conversation(size_t turn) const {
  ChatRequest conversation;
  const size_t* previous = nullptr;
  const std::vector<size_t> ancestry = Ancestry(turn);
  for (const size_t& index : ancestry) {
    const TraceTurn& ancestor = trace_.turns[index];
    const auto& [request, has_tools] = std::get<TraceMessages>(ancestor.content);
    std::vector<ChatMessage>& messages = conversation.messages;
    // A client that recorded the reply sends it; else it sends back what it got.
    const bool has_reply = request.messages.front().role == "assistant";
    if (previous != nullptr && !has_reply) messages.push_back(replies_[*previous].message);
    if (ancestor.keep) messages.resize(std::min(messages.size(), *ancestor.keep));
    messages.insert(messages.end(), request.messages.begin(), request.messages.end());
    if (has_tools) conversation.tools = request.tools;
    if (request.enable_thinking) conversation.enable_thinking = request.enable_thinking;
    if (request.keep_all_reasoning) conversation.keep_all_reasoning = request.keep_all_reasoning;
    previous = &index;
  }
  return conversation;
}

}  // namespace mimo
