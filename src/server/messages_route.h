#pragma once
// POST /v1/messages and /v1/messages/count_tokens, in Anthropic's dialect.

#include "server/generation_route.h"

namespace mimo {

HttpReply HandleMessages(const GenerationRoute& route);
HttpReply HandleCountTokens(const HttpRequest& request, const ServedModel& model);

}  // namespace mimo
