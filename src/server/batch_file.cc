#include "server/batch_file.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "server/generation_route.h"
#include "server/json_fields.h"

namespace mimo {
namespace {

constexpr size_t kCustomIdBytesMax = 512;

std::optional<std::string> CustomIdOf(const Json& object) {
  std::string id = StringAt(object, "custom_id");
  if (id.empty() || id.size() > kCustomIdBytesMax) return std::nullopt;
  return id;
}

ApiError BatchFault(std::string code, std::string message, std::string param = {}) {
  return {.code = ErrorCode::kInvalidArgument,
          .message = std::move(message),
          .param = std::move(param),
          .reason = std::move(code)};
}

// The route of `url`, which may be a whole address.
const RouteEntry* FindGeneratingRoute(std::string_view url) {
  if (const size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    url.remove_prefix(std::min(url.find('/', scheme + 3), url.size()));
  }
  const RouteEntry* route = FindRoute(PlainPath(url));
  return route != nullptr && route->access == RouteAccess::kGenerate ? route : nullptr;
}

ApiResult<BatchRequest> RequestOf(const Json& object) {
  JsonFields fields(object);
  const std::string method = fields.String("method").value_or("POST");
  const std::string url = fields.String("url").value_or("");
  const Json* body = fields.Object("body");
  if (fields.error()) return tl::unexpected(*fields.error());
  if (method != "POST")
    return tl::unexpected(BatchFault("invalid_method", "'method' must be POST", "method"));
  const RouteEntry* route = FindGeneratingRoute(url);
  if (route == nullptr) {
    return tl::unexpected(
        BatchFault("invalid_url", fmt::format("'url' is no endpoint that generates: {}", url), "url"));
  }
  if (body == nullptr) return tl::unexpected(BatchFault("invalid_request", "'body' is missing", "body"));
  const auto stream = body->find("stream");
  if (stream != body->end() && *stream == true) {
    return tl::unexpected(
        BatchFault("invalid_request", "'body.stream' is not possible in a batch", "body.stream"));
  }
  return BatchRequest{.route = route->route, .path = url, .body = DumpJson(*body)};
}

Json ResultJson(const BatchLine& line, Json response, Json error) {
  return Json{{"id", RandomId("batch_req_")},
              {"custom_id", line.custom_id ? Json(*line.custom_id) : Json(nullptr)},
              {"response", std::move(response)},
              {"error", std::move(error)}};
}

}  // namespace

Result<std::vector<BatchLine>> ParseBatchFile(std::string_view text) {
  std::vector<BatchLine> lines;
  std::unordered_map<std::string, uint64_t> line_of_id;
  for (uint64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    BatchLine line{.number = number, .text = text.substr(0, end), .custom_id = std::nullopt};
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Result<Json> object = ParseJson(line.text);
    if (object && object->is_object()) line.custom_id = CustomIdOf(*object);
    if (line.custom_id) {
      const auto [first, is_new] = line_of_id.emplace(*line.custom_id, number);
      if (!is_new) {
        return InvalidArgument("lines {} and {} have the same custom_id '{}'", first->second, number,
                               *line.custom_id);
      }
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

ApiResult<BatchRequest> ParseBatchRequest(const BatchLine& line) {
  const Result<Json> object = ParseJson(line.text);
  if (!object) return tl::unexpected(BatchFault("invalid_json_line", object.error().message));
  if (!object->is_object())
    return tl::unexpected(BatchFault("invalid_json_line", "the line must be a JSON object"));
  if (!line.custom_id) {
    return tl::unexpected(BatchFault(
        "invalid_request", fmt::format("'custom_id' must be a string of 1 to {} bytes", kCustomIdBytesMax),
        "custom_id"));
  }
  ApiResult<BatchRequest> request = RequestOf(*object);
  if (!request && request.error().reason.empty()) request.error().reason = "invalid_request";
  return request;
}

std::string BatchResultLine(const BatchLine& line, const std::string& request_id, const HttpReply& reply) {
  Result<Json> body = ParseJson(reply.body);
  Json response = {{"status_code", reply.status},
                   {"request_id", request_id},
                   {"body", body ? std::move(*body) : Json(reply.body)}};
  return DumpJson(ResultJson(line, std::move(response), nullptr)) + "\n";
}

std::string BatchResultLine(const BatchLine& line, const ApiError& error) {
  Json fault = {{"code", error.reason},
                {"message", error.message},
                {"param", error.param.empty() ? Json(nullptr) : Json(error.param)},
                {"line", line.number}};
  return DumpJson(ResultJson(line, nullptr, std::move(fault))) + "\n";
}

Result<BatchResultKey> ParseBatchResult(std::string_view text) {
  const Result<Json> object = ParseJson(text);
  const bool is_result = object && object->is_object() && object->contains("custom_id") &&
                         object->contains("response") && object->contains("error");
  if (!is_result) return DataLoss("not the result of a batch");
  BatchResultKey key{.custom_id = CustomIdOf(*object), .line_number = 0};
  if (key.custom_id) return key;
  const Json& error = object->at("error");
  if (!error.is_object() || !error.contains("line") || !error["line"].is_number_unsigned()) {
    return DataLoss("a result with neither custom_id nor line");
  }
  key.line_number = error["line"].get<uint64_t>();
  return key;
}

}  // namespace mimo
