#pragma once
// Anthropic's `system`, `messages`, `tools` and `thinking` -> the conversation the chat template renders.
// docs/decisions/0020-anthropic-and-responses.md has the table of blocks.

#include "base/json.h"
#include "base/status.h"
#include "text/chat_message.h"

namespace mimo {

// Unknown fields, unknown blocks and tools that run at the vendor are skipped; `cache_control` never changes
// the prompt. kInvalidArgument and kUnimplemented (images and files) name the field,
// "'messages[2].content[0].text' must be a string". Absent `thinking` leaves enable_thinking unset.
Result<ChatRequest> ParseMessagesConversation(const Json& body);

}  // namespace mimo
