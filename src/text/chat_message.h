#pragma once
// A conversation in native form: what a chat request becomes right after it is parsed.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace mimo {

struct ToolCall {
  std::string id;
  std::string name;
  Json arguments;  // an object
};

// Role as sent: "system", "developer", "user", "assistant", "tool".
struct ChatMessage {
  std::string role;
  std::string content;
  std::optional<std::string> reasoning_content;  // assistant only
  std::vector<ToolCall> tool_calls;              // assistant only
  std::string tool_call_id;                      // tool only
};

// One function the model may call; `parameters` is a JSON Schema object (or null).
struct ToolDefinition {
  std::string name;
  std::string description;
  Json parameters;
  Json raw;  // the whole tool object as it came, for templates that print it
};

struct ChatRequest {
  std::vector<ChatMessage> messages;
  std::vector<ToolDefinition> tools;
  std::optional<bool> enable_thinking;  // absent: the template's own default
  bool add_generation_prompt = true;
};

// Reads {"messages": [...], "tools": [...], "enable_thinking": ..., "chat_template_kwargs": {...},
// "thinking": {...}, "reasoning_effort": ...} in OpenAI's form. Unknown keys are ignored; kInvalidArgument
// names the field.
Result<ChatRequest> ParseChatRequest(const Json& json);

}  // namespace mimo
