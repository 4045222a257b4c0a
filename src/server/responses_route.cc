#include "server/responses_route.h"

#include <algorithm>
#include <utility>

#include "server/json_fields.h"
#include "server/responses_reply.h"
#include "server/responses_request.h"

namespace mimo {
namespace {

HttpReply JsonReply(const Json& body) {
  HttpReply reply;
  reply.body = DumpJson(body);
  return reply;
}

HttpReply NotStored(std::string_view id) {
  return ErrorReply(ApiError{.code = ErrorCode::kNotFound,
                             .message = fmt::format("Response with id '{}' not found.", id),
                             .param = "response_id",
                             .reason = "response_not_found"});
}

// The newest first, as OpenAI lists them. Items that came without an id get one from their place.
Json InputItemsJson(std::string_view id, const StoredResponse& stored) {
  Json items = ParseJson(stored.input).value_or(Json::array());
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].is_object() && !items[i].contains("id")) items[i]["id"] = fmt::format("item_{}_{}", id, i);
  }
  std::reverse(items.begin(), items.end());
  const auto id_of = [](const Json& item) { return item.is_object() ? item.value("id", Json()) : Json(); };
  const Json first_id = items.empty() ? Json(nullptr) : id_of(items.front());
  const Json last_id = items.empty() ? Json(nullptr) : id_of(items.back());
  return Json{{"object", "list"},
              {"data", std::move(items)},
              {"first_id", first_id},
              {"last_id", last_id},
              {"has_more", false}};
}

}  // namespace

HttpReply HandleResponses(const GenerationRoute& route, ResponsesStore& store) {
  const ApiResult<Json> body = ParseBody(route.request.body);
  if (!body) return ErrorReply(body.error());
  ApiResult<ResponsesRequest> parsed = ParseResponsesRequest(*body, route.model, store);
  if (!parsed) return ErrorReply(parsed.error());
  auto format = MakeResponsesFormat(*parsed, route.model, store);
  return RunGeneration(std::move(*parsed), std::move(format), route);
}

HttpReply HandleResponsesInputTokens(const HttpRequest& request, const ServedModel& model,
                                     ResponsesStore& store) {
  const ApiResult<Json> body = ParseBody(request.body);
  if (!body) return ErrorReply(body.error());
  const ApiResult<uint64_t> tokens = CountResponsesTokens(*body, model, store);
  if (!tokens) return ErrorReply(tokens.error());
  return JsonReply(Json{{"object", "response.input_tokens"}, {"input_tokens", *tokens}});
}

HttpReply HandleStoredResponse(const HttpRequest& request, std::string_view rest, ResponsesStore& store) {
  const size_t slash = rest.find('/');
  const std::string_view id = rest.substr(0, slash);
  const std::string_view part = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  if (request.method == "DELETE" && part.empty()) {
    if (!store.Erase(id)) return NotStored(id);
    return JsonReply(Json{{"id", id}, {"object", "response"}, {"deleted", true}});
  }
  if (request.method == "POST") {
    return ErrorReply(ApiError{.code = ErrorCode::kUnimplemented,
                               .message = fmt::format("{} is not implemented", request.path),
                               .param = {},
                               .reason = "not_implemented"});
  }
  if (part.empty() || part == "input_items") {
    const std::optional<StoredResponse> stored = store.Find(id);
    if (!stored) return NotStored(id);
    if (!part.empty()) return JsonReply(InputItemsJson(id, *stored));
    HttpReply reply;
    reply.body = stored->response;
    return reply;
  }
  return ErrorReply(404, fmt::format("no such endpoint: {} {}", request.method, request.path));
}

}  // namespace mimo
