#pragma once
// The body of POST /v1/messages -> a native request.

#include <cstdint>

#include "server/generation_route.h"

namespace mimo {

struct MessagesRequest : GenerationJob {
  // False: thinking blocks come without their text, which then travels in the signature.
  bool shows_thinking = true;
};

// A prompt that does not fit is kInvalidArgument in the words by which Claude Code knows that it must compact
// the conversation or ask for less.
ApiResult<MessagesRequest> ParseMessagesRequest(const Json& body, const ServedModel& model);

// The tokens of the prompt that the same body gives, as POST /v1/messages/count_tokens reports them. A
// conversation beyond the context is counted as well.
ApiResult<uint64_t> CountMessagesTokens(const Json& body, const ServedModel& model);

}  // namespace mimo
