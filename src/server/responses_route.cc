#include "server/responses_route.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "server/json_fields.h"
#include "server/request_meter.h"
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

Json IdOf(const Json& item) { return item.is_object() ? item.value("id", Json()) : Json(); }

// The items of one page. Items that came without an id get one from their place.
Json InputItemsPage(const HttpRequest& request, std::string_view id, Json items, size_t limit) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].is_object() && !items[i].contains("id")) items[i]["id"] = fmt::format("item_{}_{}", id, i);
  }
  if (request.Query("order").value_or("desc") != "asc") std::reverse(items.begin(), items.end());
  size_t begin = 0;
  if (const std::optional<std::string> after = request.Query("after")) {
    while (begin < items.size() && IdOf(items[begin]) != *after) ++begin;
    begin = std::min(begin + 1, items.size());
  }
  const size_t end = std::min(begin + limit, items.size());
  Json data = Json::array();
  for (size_t i = begin; i < end; ++i) data.push_back(items[i]);
  const Json first_id = data.empty() ? Json(nullptr) : IdOf(data.front());
  const Json last_id = data.empty() ? Json(nullptr) : IdOf(data.back());
  return Json{{"object", "list"},
              {"data", std::move(data)},
              {"first_id", first_id},
              {"last_id", last_id},
              {"has_more", end < items.size()}};
}

HttpReply InputItemsReply(const HttpRequest& request, std::string_view id, const StoredResponse& response) {
  constexpr size_t kLimitDefault = 20;
  constexpr size_t kLimitMax = 100;
  size_t limit = kLimitDefault;
  const std::string text = request.Query("limit").value_or(std::to_string(kLimitDefault));
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || limit < 1 || limit > kLimitMax) {
    return ErrorReply(ApiError{.code = ErrorCode::kInvalidArgument,
                               .message = fmt::format("'limit' must be between 1 and {}", kLimitMax),
                               .param = "limit",
                               .reason = {}});
  }
  return JsonReply(InputItemsPage(request, id, ParseJson(response.input).value_or(Json::array()), limit));
}

}  // namespace

HttpReply HandleResponses(const GenerationRoute& route, ResponsesStore& store) {
  const ApiResult<Json> body = ParseBody(route.request.body);
  if (!body) return ErrorReply(body.error());
  const OwnedResponses stored{store, route.meter == nullptr ? "" : route.meter->key().name};
  ApiResult<ResponsesRequest> parsed = ParseResponsesRequest(*body, route.model, stored);
  if (!parsed) return ErrorReply(parsed.error());
  auto format = MakeResponsesFormat(*parsed, route, stored);
  return RunGeneration(std::move(*parsed), std::move(format), route);
}

HttpReply HandleResponsesInputTokens(const HttpRequest& request, const ServedModel& model,
                                     const OwnedResponses& stored) {
  const ApiResult<Json> body = ParseBody(request.body);
  if (!body) return ErrorReply(body.error());
  const ApiResult<uint64_t> tokens = CountResponsesTokens(*body, model, stored);
  if (!tokens) return ErrorReply(tokens.error());
  return JsonReply(Json{{"object", "response.input_tokens"}, {"input_tokens", *tokens}});
}

HttpReply HandleStoredResponse(const HttpRequest& request, std::string_view rest,
                               const OwnedResponses& stored) {
  const size_t slash = rest.find('/');
  const std::string_view id = rest.substr(0, slash);
  const std::string_view part = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  if (request.method == "POST") {
    return ErrorReply(ApiError{.code = ErrorCode::kUnimplemented,
                               .message = fmt::format("{} is not implemented", request.path),
                               .param = {},
                               .reason = "not_implemented"});
  }
  if (request.method == "DELETE" && part.empty()) {
    if (!stored.store.Erase(stored.owner, id)) return NotStored(id);
    return JsonReply(Json{{"id", id}, {"object", "response"}, {"deleted", true}});
  }
  if (!part.empty() && (part != "input_items" || request.method == "DELETE"))
    return ErrorReply(404, fmt::format("no such endpoint: {} {}", request.method, request.path));
  std::optional<StoredResponse> response = stored.store.Find(stored.owner, id);
  if (!response) return NotStored(id);
  if (!part.empty()) return InputItemsReply(request, id, *response);
  HttpReply reply;
  reply.body = std::move(response->response);
  return reply;
}

}  // namespace mimo
