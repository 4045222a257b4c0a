#pragma once
// The body of POST /v1/chat/completions -> a native request.

#include "server/generation_route.h"
#include "server/stream_options.h"

namespace mimo {

struct ChatCompletion : GenerationJob {
  StreamOptions streaming;
  bool return_token_ids = false;  // vLLM's extra: the ids beside the texts
};

// Unknown fields are ignored. What would change the shape or the number of results and is not implemented is
// kUnimplemented, never ignored: audio, the obsolete `functions`.
ApiResult<ChatCompletion> ParseChatCompletion(const Json& body, const ServedModel& model);

}  // namespace mimo
