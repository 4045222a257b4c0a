#include "server/messages_route.h"

#include <utility>

#include "server/json_fields.h"
#include "server/messages_error.h"
#include "server/messages_reply.h"
#include "server/messages_request.h"

namespace mimo {

HttpReply HandleMessages(const GenerationRoute& route) {
  const std::string& request_id = route.request.id;
  const ApiResult<Json> body = ParseBody(route.request.body);
  if (!body) return MessagesErrorReply(body.error(), request_id);
  ApiResult<MessagesRequest> parsed = ParseMessagesRequest(*body, route.model);
  if (!parsed) return MessagesErrorReply(parsed.error(), request_id);
  auto format = MakeMessagesFormat(*parsed, route);
  return RunGeneration(std::move(*parsed), std::move(format), route);
}

HttpReply HandleCountTokens(const HttpRequest& request, const ServedModel& model) {
  const ApiResult<Json> body = ParseBody(request.body);
  if (!body) return MessagesErrorReply(body.error(), request.id);
  const ApiResult<uint64_t> tokens = CountMessagesTokens(*body, model);
  if (!tokens) return MessagesErrorReply(tokens.error(), request.id);
  HttpReply reply;
  reply.body = DumpJson(Json{{"input_tokens", *tokens}});
  return reply;
}

}  // namespace mimo
