#pragma once
// /v1/responses and what is below it, in the dialect of OpenAI's Responses API.

#include <string_view>

#include "server/generation_route.h"
#include "server/responses_store.h"

namespace mimo {

// POST /v1/responses
HttpReply HandleResponses(const GenerationRoute& route, ResponsesStore& store);
// POST /v1/responses/input_tokens: how many tokens the prompt of the same body has.
HttpReply HandleResponsesInputTokens(const HttpRequest& request, const ServedModel& model,
                                     const OwnedResponses& stored);
// GET and DELETE /v1/responses/{id}; GET /v1/responses/{id}/input_items, by pages (`after`, `limit`,
// `order`); and what is refused there. `rest` is the path behind "/responses/".
HttpReply HandleStoredResponse(const HttpRequest& request, std::string_view rest,
                               const OwnedResponses& stored);

}  // namespace mimo
