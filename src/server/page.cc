#include "server/page.h"

#include <chrono>
#include <string>

#include "base/check.h"
#include "home/home.h"
#include "home/home_simulator.h"
#include "home/home_tools.h"
#include "server/api_error.h"
#include "server/json_fields.h"
#include "server/page_assets.h"

namespace mimo {
namespace {

HttpReply JsonReply(const Json& json) {
  HttpReply reply;
  reply.body = DumpJson(json);
  return reply;
}

// The home in a request's "home".
std::optional<Home> HomeField(JsonFields& fields) {
  const Json* json = fields.Object("home");
  if (json == nullptr) {
    fields.Fail("home", "is missing");
    return std::nullopt;
  }
  Result<Home> home = ParseHome(*json);
  if (home) return std::move(*home);
  fields.Fail("home", fmt::format("is not a home: {}", home.error().message));
  return std::nullopt;
}

}  // namespace

HttpReply HandlePage(std::string_view path) {
  for (const PageFile& file : PageFiles()) {
    if (file.path != path) continue;
    HttpReply reply;
    reply.content_type = file.content_type;
    reply.body = file.bytes;
    reply.headers = {
        {"Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Cache-Control", "no-cache"}};
    return reply;
  }
  return ErrorReply(404, fmt::format("the page has no file {}", path));
}

HttpReply HandleDemoHome() {
  const Result<Json> json = ParseJson(DemoHomeAsset());
  MIMO_CHECK(json.has_value());
  const Result<Home> home = ParseHome(*json);
  MIMO_CHECK(home.has_value());
  return JsonReply(Json{{"home", HomeToJson(*home)}});
}

HttpReply HandleHomePrompt(const HttpRequest& request) {
  const ApiResult<Json> body = ParseBody(request.body);
  if (!body) return ErrorReply(body.error());
  JsonFields fields(*body);
  const std::optional<Home> home = HomeField(fields);
  const std::string speaker_area = fields.String("speaker_area").value_or("");
  if (fields.error()) return ErrorReply(*fields.error());
  Json tools = Json::array();
  for (const ToolDefinition& tool : HomeTools(*home)) tools.push_back(tool.raw);
  return JsonReply(Json{{"system", HomeSystemPrompt(*home, speaker_area)}, {"tools", std::move(tools)}});
}

HttpReply HandleHomeCall(const HttpRequest& request) {
  const ApiResult<Json> body = ParseBody(request.body);
  if (!body) return ErrorReply(body.error());
  JsonFields fields(*body);
  std::optional<Home> home = HomeField(fields);
  CallContext context{.speaker_area = fields.String("speaker_area").value_or(""),
                      .unix_seconds = std::chrono::duration_cast<std::chrono::seconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count()};
  const std::optional<std::string> name = fields.String("name");
  const Json* arguments = fields.Object("arguments");
  if (!name) fields.Fail("name", "is missing");
  if (fields.error()) return ErrorReply(*fields.error());
  const ToolCall call{
      .id = {}, .name = *name, .arguments = arguments == nullptr ? Json::object() : *arguments};
  const ToolOutcome outcome = ApplyToolCall(*home, call, context);
  return JsonReply(Json{{"home", HomeToJson(*home)}, {"ok", outcome.ok}, {"text", outcome.text}});
}

}  // namespace mimo
