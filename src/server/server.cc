#include "server/server.h"

#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "server/api_error.h"
#include "server/chat_route.h"
#include "server/page.h"
#include "server/tokenize_route.h"

namespace mimo {

enum class ApiRoute : uint8_t {
  kPage,
  kHealth,
  kStatus,
  kDemoHome,
  kHomePrompt,
  kHomeCall,
  kModels,
  kChatCompletions,
  kTokenize,
  kDetokenize,
  kNotImplemented,  // known to clients, not part of this server yet
};

namespace {

struct RouteEntry {
  std::string_view path;  // without /v1
  std::string_view method;
  ApiRoute route;
};

constexpr std::array kRoutes = {
    RouteEntry{"/", "GET", ApiRoute::kPage},
    RouteEntry{"/health", "GET", ApiRoute::kHealth},
    RouteEntry{"/status", "GET", ApiRoute::kStatus},
    RouteEntry{"/home", "GET", ApiRoute::kDemoHome},
    RouteEntry{"/home/prompt", "POST", ApiRoute::kHomePrompt},
    RouteEntry{"/home/call", "POST", ApiRoute::kHomeCall},
    RouteEntry{"/models", "GET", ApiRoute::kModels},
    RouteEntry{"/chat/completions", "POST", ApiRoute::kChatCompletions},
    RouteEntry{"/tokenize", "POST", ApiRoute::kTokenize},
    RouteEntry{"/detokenize", "POST", ApiRoute::kDetokenize},
    RouteEntry{"/completions", "POST", ApiRoute::kNotImplemented},
    RouteEntry{"/responses", "POST", ApiRoute::kNotImplemented},
    RouteEntry{"/embeddings", "POST", ApiRoute::kNotImplemented},
    RouteEntry{"/messages", "POST", ApiRoute::kNotImplemented},
    RouteEntry{"/messages/count_tokens", "POST", ApiRoute::kNotImplemented},
    RouteEntry{"/anthropic/v1/messages", "POST", ApiRoute::kNotImplemented},
    RouteEntry{"/anthropic/v1/messages/count_tokens", "POST", ApiRoute::kNotImplemented},
    RouteEntry{"/usage", "GET", ApiRoute::kNotImplemented},
    RouteEntry{"/metrics", "GET", ApiRoute::kNotImplemented},
};

// Clients differ in whether their base address holds /v1, and in a slash at the end.
std::string_view PlainPath(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path == "/v1") return "/";
  if (path.starts_with("/v1/")) path.remove_prefix(3);
  return path;
}

// "/models/some/name" belongs to "/models".
std::string_view RoutePath(std::string_view path) {
  return path.starts_with("/models/") ? std::string_view("/models") : path;
}

HttpReply UnknownPath(const HttpRequest& request) {
  return ErrorReply(404, fmt::format("no such endpoint: {} {}", request.method, request.path));
}

HttpReply WrongMethod(const HttpRequest& request, std::string_view allowed) {
  HttpReply reply =
      ErrorReply(405, fmt::format("{} takes {}, not {}", request.path, allowed, request.method));
  reply.headers.emplace_back("Allow", std::string(allowed));
  return reply;
}

// No Access-Control headers: pages of other origins must not use this server.
HttpReply Options(std::string_view allowed) {
  HttpReply reply;
  reply.status = 204;
  reply.headers.emplace_back("Allow", fmt::format("{}, OPTIONS", allowed));
  return reply;
}

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::Start(const ApiServerOptions& options) {
  std::unique_ptr<ApiServer> server(new ApiServer(options));
  MIMO_ASSIGN_OR_RETURN(
      server->http_,
      HttpServer::Start(
          options.http, [api = server.get()](const HttpRequest& request) { return api->Handle(request); },
          [](int status, std::string_view reason) { return ErrorReply(status, reason); }));
  return server;
}

ApiServer::~ApiServer() {
  draining_ = true;
  ending_ = true;
  http_.reset();
}

void ApiServer::SetModel(ServedModel model) {
  MIMO_CHECK(!model_ready_);
  model_ = std::move(model);
  model_->tool_call_openers = ToolCallOpeners(*model_->tokenizer);
  model_ready_ = true;
}

std::optional<std::string> ApiServer::Obstacle() const {
  if (draining_) return "the server is shutting down";
  if (!model_ready_) return "the model is still loading";
  if (const Status health = model_->engine->Health(); !health) return health.error().message;
  return std::nullopt;
}

HttpReply ApiServer::Counted(HttpReply reply, std::shared_ptr<void> active) {
  if (!reply.stream) return reply;
  reply.stream = [stream = std::move(reply.stream), active = std::move(active)](HttpStreamWriter& writer) {
    return stream(writer);
  };
  return reply;
}

std::optional<HttpReply> ApiServer::HandleWithoutModel(ApiRoute route, const HttpRequest& request) const {
  switch (route) {
    case ApiRoute::kPage:
      return HandlePage();
    case ApiRoute::kHealth:
      return HandleHealth();
    case ApiRoute::kStatus:
      return HandleStatus();
    case ApiRoute::kDemoHome:
      return HandleDemoHome();
    case ApiRoute::kHomePrompt:
      return HandleHomePrompt(request);
    case ApiRoute::kHomeCall:
      return HandleHomeCall(request);
    default:
      return std::nullopt;
  }
}

HttpReply ApiServer::Handle(const HttpRequest& request) {
  ++num_active_;
  const std::shared_ptr<void> active(nullptr, [this](void* /*nothing*/) { --num_active_; });
  const std::string_view path = PlainPath(request.path);
  const RouteEntry* entry = nullptr;
  for (const RouteEntry& candidate : kRoutes) {
    if (candidate.path == RoutePath(path)) entry = &candidate;
  }
  if (entry == nullptr) return UnknownPath(request);
  if (request.method == "OPTIONS") return Options(entry->method);
  const bool matches =
      request.method == entry->method || (request.method == "HEAD" && entry->method == "GET");
  if (!matches) return WrongMethod(request, entry->method);
  if (const auto reply = HandleWithoutModel(entry->route, request)) return *reply;
  if (entry->route == ApiRoute::kNotImplemented) {
    return ErrorReply(ApiError{.code = ErrorCode::kUnimplemented,
                               .message = fmt::format("{} is not implemented yet", request.path),
                               .param = {},
                               .reason = "not_implemented"});
  }
  if (const auto obstacle = Obstacle()) return ErrorReply(503, *obstacle);
  switch (entry->route) {
    case ApiRoute::kModels:
      return HandleModels(std::string(path));
    case ApiRoute::kTokenize:
      return HandleTokenize(request, *model_);
    case ApiRoute::kDetokenize:
      return HandleDetokenize(request, *model_);
    default:
      return Counted(
          HandleChatCompletion(
              {.request = request, .model = *model_, .options = options_.generation, .ending = ending_}),
          active);
  }
}

HttpReply ApiServer::HandleHealth() const {
  if (const auto obstacle = Obstacle()) return ErrorReply(503, *obstacle);
  HttpReply reply;
  reply.body = R"({"status":"ok"})";
  return reply;
}

HttpReply ApiServer::HandleModels(const std::string& path) const {
  HttpReply reply;
  constexpr std::string_view kPrefix = "/models/";
  if (path.starts_with(kPrefix)) {
    const auto known = CheckModelName(*model_, std::string_view(path).substr(kPrefix.size()));
    if (!known) return ErrorReply(known.error());
    reply.body = DumpJson(ModelJson(*model_));
  } else {
    reply.body = DumpJson(ModelListJson(*model_));
  }
  return reply;
}

HttpReply ApiServer::HandleStatus() const {
  const bool ready = model_ready_;
  const Engine::Load load = ready ? model_->engine->load() : Engine::Load{};
  HttpReply reply;
  reply.body = DumpJson(Json{{"model", ready ? model_->id : ""},
                             {"state", Obstacle().value_or("ready")},
                             {"context_max", ready ? model_->engine->context_max() : 0},
                             {"requests_running", load.running},
                             {"requests_waiting", load.waiting},
                             {"kv_blocks_used", load.kv_blocks_used},
                             {"kv_blocks_total", load.kv_blocks_total}});
  return reply;
}

}  // namespace mimo
