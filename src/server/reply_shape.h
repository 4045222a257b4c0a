#pragma once
// What form a reply must take, by tool_choice and response_format -> the grammar that the sampler obeys.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/api_error.h"
#include "server/grammar_cache.h"
#include "server/output_format.h"
#include "text/chat_message.h"
#include "text/grammar.h"

namespace mimo {

enum class ToolUse {
  kNone,      // no call
  kAuto,      // the model decides
  kRequired,  // at least one call, and nothing but calls
};

struct ReplyShape {
  ToolUse tool_use = ToolUse::kAuto;
  std::optional<std::set<std::string>> allowed_tools = {};  // names; absent: all that are declared
  bool parallel_tool_calls = true;
  OutputFormat format = {};
};

// Where the reply starts, as far as reasoning goes.
enum class ReplyStart { kAnswer, kReasoning, kModelDecides };

// Drops the tools that must not be called: a model that sees them would only try. kInvalidArgument when a
// call is required and no tool is left.
ApiResult<void> ApplyToolChoice(const ReplyShape& shape, ChatRequest& chat);

// Those of the request, then those that messages brought along; of two with one name the later.
std::vector<ToolDefinition> OfferedTools(const ChatRequest& chat);

// The grammar for `tools` and the format; null when anything may be said.
// kInvalidArgument names the field that asked for what cannot be done. A tool that is not strict and whose
// schema is beyond the grammar's means is left unconstrained instead, with a line in the log.
ApiResult<GrammarPtr> GrammarOfReply(const ReplyShape& shape, const std::vector<ToolDefinition>& tools,
                                     ReplyStart start, GrammarCache& cache);

}  // namespace mimo
