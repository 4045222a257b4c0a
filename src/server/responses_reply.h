#pragma once
// Pieces of a reply -> the response object of OpenAI's Responses API, or the events of its stream, which end
// with the same object.

#include <memory>

#include "server/generation_route.h"
#include "server/responses_request.h"
#include "server/responses_store.h"

namespace mimo {

// The reply to `request`, streamed or whole as it asks; stored when it has ended well and the request wants
// that. Takes what is the reply's alone out of the request: its echo, items and tools.
std::unique_ptr<ReplyFormat> MakeResponsesFormat(ResponsesRequest& request, const GenerationRoute& route,
                                                 const OwnedResponses& stored);

}  // namespace mimo
