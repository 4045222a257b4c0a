#pragma once
// From the route of a request that generates to the handler of its endpoint.

#include "server/generation_route.h"
#include "server/responses_store.h"
#include "server/route_table.h"

namespace mimo {

// Requires: the route table's entry of `route` is RouteAccess::kGenerate. `responses` is what /v1/responses
// stores into and reads from.
HttpReply HandleGeneration(ApiRoute route, const GenerationRoute& generation, ResponsesStore& responses);

}  // namespace mimo
