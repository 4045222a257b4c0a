#include "server/server.h"

#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "server/api_error.h"
#include "server/chat_route.h"
#include "server/messages_error.h"
#include "server/messages_route.h"
#include "server/page.h"
#include "server/responses_route.h"
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
  kMessages,
  kCountTokens,
  kResponses,
  kResponsesInputTokens,
  kStoredResponse,
  kTokenize,
  kDetokenize,
  kNotImplemented,  // known to clients, not part of this server yet
};

namespace {

struct RouteEntry {
  std::string_view path;    // without /v1
  std::string_view method;  // or several, "GET, DELETE"
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
    RouteEntry{"/responses", "POST", ApiRoute::kResponses},
    RouteEntry{"/responses/input_tokens", "POST", ApiRoute::kResponsesInputTokens},
    RouteEntry{"/responses/", "GET, DELETE, POST", ApiRoute::kStoredResponse},
    RouteEntry{"/embeddings", "POST", ApiRoute::kNotImplemented},
    RouteEntry{"/messages", "POST", ApiRoute::kMessages},
    RouteEntry{"/messages/count_tokens", "POST", ApiRoute::kCountTokens},
    RouteEntry{"/usage", "GET", ApiRoute::kNotImplemented},
    RouteEntry{"/metrics", "GET", ApiRoute::kNotImplemented},
};

// Clients differ in whether their base address holds /v1 or /anthropic, and in a slash at the end.
std::string_view PlainPath(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  for (const std::string_view prefix : {"/anthropic", "/v1"}) {
    if (path == prefix) return "/";
    if (path.starts_with(prefix) && path[prefix.size()] == '/') path.remove_prefix(prefix.size());
  }
  return path;
}

constexpr std::string_view kResponsesPrefix = "/responses/";

// "/models/some/name" belongs to "/models", "/responses/some_id" to "/responses/".
std::string_view RoutePath(std::string_view path) {
  if (path.starts_with("/models/")) return "/models";
  if (path.starts_with(kResponsesPrefix) && path != "/responses/input_tokens") return kResponsesPrefix;
  return path;
}

bool Matches(const RouteEntry& entry, const std::string& method) {
  return entry.method.find(method == "HEAD" ? "GET" : method) != std::string_view::npos;
}

bool IsAnthropic(const RouteEntry& entry) {
  return entry.route == ApiRoute::kMessages || entry.route == ApiRoute::kCountTokens;
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
  if (!Matches(*entry, request.method)) return WrongMethod(request, entry->method);
  if (const auto reply = HandleWithoutModel(entry->route, request)) return *reply;
  if (entry->route == ApiRoute::kNotImplemented) {
    return ErrorReply(ApiError{.code = ErrorCode::kUnimplemented,
                               .message = fmt::format("{} is not implemented yet", request.path),
                               .param = {},
                               .reason = "not_implemented"});
  }
  if (const auto obstacle = Obstacle()) {
    return IsAnthropic(*entry) ? MessagesErrorReply(503, *obstacle, request.id) : ErrorReply(503, *obstacle);
  }
  switch (entry->route) {
    case ApiRoute::kModels:
      return HandleModels(std::string(path));
    case ApiRoute::kTokenize:
      return HandleTokenize(request, *model_);
    case ApiRoute::kDetokenize:
      return HandleDetokenize(request, *model_);
    case ApiRoute::kCountTokens:
      return HandleCountTokens(request, *model_);
    case ApiRoute::kResponsesInputTokens:
      return HandleResponsesInputTokens(request, *model_, responses_);
    case ApiRoute::kStoredResponse:
      return HandleStoredResponse(request, path.substr(kResponsesPrefix.size()), responses_);
    default:
      return Counted(Generate(entry->route, request), active);
  }
}

HttpReply ApiServer::Generate(ApiRoute route, const HttpRequest& request) {
  const GenerationRoute generation{
      .request = request, .model = *model_, .options = options_.generation, .ending = ending_};
  switch (route) {
    case ApiRoute::kMessages:
      return HandleMessages(generation);
    case ApiRoute::kResponses:
      return HandleResponses(generation, responses_);
    default:
      return HandleChatCompletion(generation);
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
