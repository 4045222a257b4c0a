#pragma once
// Tool definitions -> Grammar of a reply in MiMo's XML notation (docs/formats/chat-template.md), such that
// what OutputParser makes of the arguments validates against the tool's schema.

#include <optional>
#include <string>
#include <vector>

#include "text/chat_message.h"
#include "text/grammar.h"

namespace mimo {

enum class ToolChoice {
  kAuto,      // free text; a call, once begun, is constrained
  kRequired,  // at least one call, and nothing but calls
};

struct ToolGrammarOptions {
  ToolChoice choice = ToolChoice::kAuto;
  std::optional<std::string> name = {};  // only this tool may be called
  bool parallel = true;                  // more than one call
};

// Requires: `tools` not empty. kInvalidArgument: a tool's schema that is not supported (the message names
// tool, keyword and place), a name that no tool has.
Result<GrammarPtr> GrammarForToolCalls(const std::vector<ToolDefinition>& tools,
                                       const ToolGrammarOptions& options, const GrammarLimits& limits = {});

}  // namespace mimo
