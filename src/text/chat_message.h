#pragma once
// A conversation in native form: what a chat request becomes right after it is parsed.

#include <cstdint>
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

// One function the model may call; `parameters` is a JSON Schema object (or null).
struct ToolDefinition {
  std::string name;
  std::string description;
  Json parameters;
  Json raw;  // the whole tool object as it came, for templates that print it
};

// Role as sent: "system", "developer", "user", "assistant", "tool".
struct ChatMessage {
  std::string role;
  std::string content;
  std::optional<std::string> reasoning_content;  // assistant only
  std::vector<ToolCall> tool_calls;              // assistant only
  std::string tool_call_id;                      // tool only
  std::vector<ToolDefinition> tools;             // offered from here on; only V2.6's template prints them
};

// A message that is nothing but text.
ChatMessage TextMessage(std::string role, std::string content);

struct ChatRequest {
  std::vector<ChatMessage> messages;
  std::vector<ToolDefinition> tools;
  std::optional<bool> enable_thinking;     // absent: the template's own default
  std::optional<bool> keep_all_reasoning;  // absent: the template's own default
  bool add_generation_prompt = true;
  uint32_t num_tools_skipped = 0;  // of `tools` as it came: those of types that only a vendor runs
};

// Reads {"messages": [...], "tools": [...], "enable_thinking": ..., "chat_template_kwargs": {...},
// "thinking": {...}, "reasoning_effort": ...} in OpenAI's form. Unknown keys are ignored, and so are tools of
// another type than "function" (with a line in the log). kInvalidArgument names the field,
// "messages[2].content"; kUnimplemented for parts that are images, audio, video or files.
//
// Where several switches of thinking are given, the most specific one wins:
// chat_template_kwargs.enable_thinking, enable_thinking, thinking.type, reasoning_effort.
Result<ChatRequest> ParseChatRequest(const Json& json);

}  // namespace mimo
