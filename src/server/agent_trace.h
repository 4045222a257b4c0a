#pragma once
// A recorded agent session as JSON lines, for `mimo replay`: docs/formats/agent-trace.md.
//
//   text -> turns, each a request of the session -> (with the replies of earlier turns) prompts
//
// Understood besides the format's own lines: chat requests as sent, one a line; logs of requests with their
// responses; OpenAI's batch and fine-tuning files; one message a line; lines of nothing but token counts.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "server/price_card.h"
#include "text/chat_message.h"

namespace mimo {

// Messages that follow those of the turn before; tools and switches are that turn's unless given again.
struct TraceMessages {
  ChatRequest request;
  bool has_tools = false;
};
// Tokens that follow those of the turn before and its reply.
struct TraceTokens {
  std::vector<TokenId> tokens;
  std::optional<std::vector<TokenId>> reply;  // what later turns continue instead of what the model said
};
// Only how many tokens there were: nothing to compute, but a price.
struct TraceCounts {
  TokenCounts counts;
  uint64_t num_requests = 1;       // that the counts are the sum of
  std::optional<uint64_t> shared;  // of the prompt, what earlier turns had as well
};

struct TraceTurn {
  std::string id;               // unique in the trace
  std::optional<size_t> after;  // the earlier turn that this one continues
  std::optional<size_t> keep;   // of that turn, only so many tokens or messages, its reply included
  std::variant<TraceMessages, TraceTokens, TraceCounts> content;
  uint32_t max_tokens = 0;              // 0 = the command's default
  std::string model;                    // who served it; may be empty
  std::optional<TokenCounts> recorded;  // what it was charged for there
};

struct AgentTrace {
  std::vector<TraceTurn> turns;

  bool HasOnlyCounts() const;
};

// kInvalidArgument names the line at fault.
Result<AgentTrace> ParseAgentTrace(std::string_view text);

// Token counts as OpenAI's or Anthropic's `usage` has them. Nothing where it is neither.
std::optional<TokenCounts> ReadUsage(const Json& usage);

}  // namespace mimo
