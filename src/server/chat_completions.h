#pragma once
// The body of POST /v1/chat/completions -> a native request.

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "server/api_error.h"
#include "server/served_model.h"
#include "text/output_parser.h"

namespace mimo {

struct ChatCompletion {
  GenerationRequest generation;
  uint32_t num_choices = 1;
  OutputParserOptions parser;
  bool parallel_tool_calls = true;  // false: the reply ends after its first call
  bool stream = false;
  bool include_usage = false;  // of a stream: a last chunk with the token counts

  // One engine request per choice; a given seed becomes seed, seed + 1, ...
  std::vector<GenerationRequest> EngineRequests() const;
};

// Unknown fields are ignored. What would change the shape or the number of results and is not implemented is
// kUnimplemented, never ignored: forced tool calls, structured output, audio.
ApiResult<ChatCompletion> ParseChatCompletion(const Json& body, const ServedModel& model);

// Messages that begin with 'name' name the field at fault: it becomes `param`.
ApiError WithParamFromMessage(ApiError error);

}  // namespace mimo
