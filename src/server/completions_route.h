#pragma once
// POST /v1/completions, from the body to the last byte of the reply.

#include "server/generation_route.h"

namespace mimo {

HttpReply HandleTextCompletion(const GenerationRoute& route);

}  // namespace mimo
