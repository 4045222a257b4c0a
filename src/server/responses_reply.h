#pragma once
// Pieces of a reply -> the response object of OpenAI's Responses API, or the events of its stream, which end
// with the same object.

#include <memory>

#include "server/generation_route.h"
#include "server/responses_request.h"
#include "server/responses_store.h"

namespace mimo {

// The reply to `request`, streamed or whole as it asks; puts it into `store` when it has ended well and the
// request wants that. `model` and `store` must outlive it.
std::unique_ptr<ReplyFormat> MakeResponsesFormat(const ResponsesRequest& request, const ServedModel& model,
                                                 ResponsesStore& store);

}  // namespace mimo
