#pragma once
// The body of POST /v1/chat/completions -> a native request.

#include "server/generation_route.h"

namespace mimo {

struct ChatCompletion : GenerationJob {
  bool include_usage = false;  // of a stream: a last chunk with the token counts
};

// Unknown fields are ignored. What would change the shape or the number of results and is not implemented is
// kUnimplemented, never ignored: forced tool calls, structured output, audio.
ApiResult<ChatCompletion> ParseChatCompletion(const Json& body, const ServedModel& model);

}  // namespace mimo
