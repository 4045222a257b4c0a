#pragma once
// GET /openapi.json: what the server answers, for programs (assets/openapi.json).

#include <string_view>

#include "server/http_server.h"

namespace mimo {

std::string_view OpenApiAsset();

HttpReply HandleOpenApi();

}  // namespace mimo
