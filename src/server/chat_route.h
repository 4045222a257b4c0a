#pragma once
// POST /v1/chat/completions, from the body to the last byte of the reply.

#include "server/generation_route.h"

namespace mimo {

HttpReply HandleChatCompletion(const GenerationRoute& route);

}  // namespace mimo
