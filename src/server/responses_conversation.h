#pragma once
// `instructions`, `input` and `tools` of OpenAI's Responses API -> the conversation the chat template
// renders. docs/decisions/0020-anthropic-and-responses.md has the table of items.

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "text/chat_message.h"

namespace mimo {

// What a tool is to the client. The model knows functions alone: a tool of a namespace is shown to it as
// "namespace.name", and a custom tool, whose input is plain text, as a function with one string.
struct ResponsesTool {
  enum class Kind { kFunction, kCustom };
  Kind kind = Kind::kFunction;
  std::string name;
  std::string name_space;  // empty: none
};

struct ResponsesConversation {
  ChatRequest chat;
  std::map<std::string, ResponsesTool> tools;  // by the name the model calls it by
};

// The argument that holds a custom tool's input.
constexpr char kCustomToolInput[] = "input";

// `input` as a list of items: a string is one message of the user. Items of conversations before come first.
Result<Json> ResponsesInputItems(const Json& body, Json items_before);

// Requires: `items` came from ResponsesInputItems. Unknown items, unknown fields and tools that run at the
// vendor are skipped. kInvalidArgument and kUnimplemented (images and files) name the field,
// "'input[2].call_id'".
Result<ResponsesConversation> ParseResponsesConversation(const Json& body, const Json& items);

}  // namespace mimo
