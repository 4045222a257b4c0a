#include "server/completions_route.h"

#include <utility>

#include "server/completions_reply.h"
#include "server/completions_request.h"
#include "server/json_fields.h"

namespace mimo {

HttpReply HandleTextCompletion(const GenerationRoute& route) {
  const ApiResult<Json> body = ParseBody(route.request.body);
  if (!body) return ErrorReply(body.error());
  ApiResult<TextCompletion> parsed = ParseTextCompletion(*body, route.model);
  if (!parsed) return ErrorReply(parsed.error());
  std::unique_ptr<ReplyFormat> format = MakeCompletionFormat(*parsed, route);
  return RunGeneration(std::move(*parsed), std::move(format), route);
}

}  // namespace mimo
