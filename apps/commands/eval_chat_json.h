#pragma once
// A chat request and its answer in OpenAI's form, from the client's side.

#include <string>
#include <string_view>

#include "home/home_eval.h"
#include "text/chat_message.h"

namespace mimo {

// Greedy, thinking off, at most `tokens_max` tokens.
Json ChatRequestJson(const ChatRequest& request, const std::string& model, uint32_t tokens_max);

// The first choice's text and calls. Arguments that are no JSON object become an empty one.
// kInvalidArgument when the text is no such answer.
Result<EvalReply> ParseChatReply(std::string_view body);

}  // namespace mimo
