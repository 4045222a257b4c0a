#include "server/openapi.h"

#include "base/embedded_file.h"

MIMO_EMBED_FILE(char, kMimoOpenApi, MIMO_OPENAPI, 1)

namespace mimo {

std::string_view OpenApiAsset() { return {kMimoOpenApiBegin, kMimoOpenApiEnd}; }

HttpReply HandleOpenApi() {
  HttpReply reply;
  reply.body = OpenApiAsset();
  return reply;
}

}  // namespace mimo
