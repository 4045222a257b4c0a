#include "server/server.h"

#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "server/api_error.h"
#include "server/generation_endpoint.h"
#include "server/messages_route.h"
#include "server/openapi.h"
#include "server/page.h"
#include "server/responses_route.h"
#include "server/tokenize_route.h"
#include "server/usage_route.h"

namespace mimo {
namespace {

// What an endpoint's clients read; of endpoints that both kinds use, Anthropic's say who they are.
Dialect DialectOf(const RouteEntry* entry, const HttpRequest& request) {
  if (entry != nullptr && entry->dialect == Dialect::kAnthropic) return Dialect::kAnthropic;
  return request.Header("anthropic-version").empty() ? Dialect::kOpenAi : Dialect::kAnthropic;
}

HttpReply UnknownPath(const HttpRequest& request) {
  return RefusalReply(DialectOf(nullptr, request),
                      {.status = 404,
                       .message = fmt::format("no such endpoint: {} {}", request.method, request.path),
                       .reason = {},
                       .retry_after = {}},
                      request);
}

HttpReply WrongMethod(const RouteEntry& entry, const HttpRequest& request) {
  HttpReply reply =
      RefusalReply(DialectOf(&entry, request),
                   {.status = 405,
                    .message = fmt::format("{} takes {}, not {}", request.path, entry.method, request.method),
                    .reason = {},
                    .retry_after = {}},
                   request);
  reply.headers.emplace_back("Allow", std::string(entry.method));
  return reply;
}

// Of the prompt tokens; null before there were any.
Json CacheHitRate(const TokenCounts& tokens) {
  if (tokens.prompt == 0) return nullptr;
  return static_cast<double>(tokens.cached) / static_cast<double>(tokens.prompt);
}

// What a route answers when its client left before the reply was there. Nobody reads it.
constexpr int kClientGone = 499;

// Runs `finish` once, when the last holder of a stream lets go.
struct StreamEnd {
  StreamEnd(RequestTrace trace, std::function<void(const RequestTrace&, bool)> finish)
      : trace_(std::move(trace)), finish_(std::move(finish)) {}
  ~StreamEnd() { finish_(trace_, is_cut); }
  StreamEnd(const StreamEnd&) = delete;
  StreamEnd& operator=(const StreamEnd&) = delete;

  bool is_cut = true;

 private:
  const RequestTrace trace_;
  const std::function<void(const RequestTrace&, bool)> finish_;
};

bool Matches(const RouteEntry& entry, const HttpRequest& request) {
  return TakesMethod(entry, request.method == "HEAD" ? "GET" : request.method);
}

HttpReply HandleEmbeddings(const ServedModel& model) {
  return ErrorReply({.code = ErrorCode::kUnimplemented,
                     .message = fmt::format("'{}' has no embeddings: it generates text", model.id),
                     .param = "model",
                     .reason = "not_implemented"});
}

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::Start(const ApiServerOptions& options) {
  std::unique_ptr<ApiServer> server(new ApiServer(options));
  Accounts& accounts = server->accounts_;
  accounts.prices = options.prices;
  accounts.limit_defaults = options.limit_defaults;
  if (!options.keys_path.empty()) {
    MIMO_ASSIGN_OR_RETURN(accounts.keys, ApiKeys::Open(options.keys_path));
  }
  MIMO_ASSIGN_OR_RETURN(accounts.usage, UsageStore::Open(options.usage));
  MIMO_ASSIGN_OR_RETURN(
      server->http_,
      HttpServer::Start(
          options.http, [api = server.get()](const HttpRequest& request) { return api->Handle(request); },
          [api = server.get()](int status, std::string_view reason) {
            api->accounts_.metrics.CountHttp("malformed", status);
            return ErrorReply(status, reason);
          }));
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
  accounts_.metrics.SetModel(model_->id, model_->engine->context_max());
  accounts_.metrics.SetCacheConfig(model_->engine->kv_cache_config());
  model_->tool_call_openers = ToolCallOpeners(*model_->tokenizer);
  model_ready_ = true;
}

void ApiServer::Reload() {
  if (accounts_.keys != nullptr) accounts_.keys->Reload();
  if (const Status status = http_->ReloadCertificate(); !status) {
    LogLine(LogLevel::kError, "the certificate stays as it was: " + status.error().message);
  }
}

std::optional<Obstacle> ApiServer::FindObstacle() const {
  if (draining_) return DrainingObstacle();
  if (!model_ready_) return LoadingObstacle();
  if (const Status health = model_->engine->Health(); !health) return FailingObstacle(health.error().message);
  return std::nullopt;
}

HttpReply ApiServer::Followed(HttpReply reply, RequestTrace trace) {
  const int status = reply.status;
  const auto finish = [this, status](const RequestTrace& ended, bool is_cut) {
    LogRequest(ended, status, is_cut);
    --num_active_;
  };
  if (!reply.stream) {
    finish(trace, status == kClientGone);
    return reply;
  }
  // A stream that is never written, because its client has gone, is dropped and so ends as well.
  auto ended = std::make_shared<StreamEnd>(std::move(trace), finish);
  reply.stream = [stream = std::move(reply.stream), ended](HttpStreamWriter& writer) {
    const bool is_whole = stream(writer);
    ended->is_cut = !is_whole;
    return is_whole;
  };
  return reply;
}

HttpReply ApiServer::Handle(const HttpRequest& request) {
  ++num_active_;
  const RouteEntry* route = FindRoute(PlainPath(request.path));
  RequestTrace trace = TraceOf(request, route, options_.log_prompts);
  HttpReply reply = route == nullptr ? UnknownPath(request)
                                     : HandleRoute({.request = request, .route = *route, .trace = trace});
  cross_origin_.AddHeaders(request, &reply);
  accounts_.metrics.CountHttp(route == nullptr ? "unknown" : route->path, reply.status);
  return Followed(std::move(reply), std::move(trace));
}

HttpReply ApiServer::HandleRoute(const Exchange& exchange) {
  const auto& [request, route, trace] = exchange;
  if (request.method == "OPTIONS") return HandleOptions(exchange);
  if (!Matches(route, request)) return WrongMethod(route, request);
  const bool is_open =
      route.access == RouteAccess::kOpen || (route.access == RouteAccess::kMetrics && options_.open_metrics);
  const std::optional<ApiKey> key = is_open ? ApiKey() : CallerOf(request, accounts_);
  if (!key) return RefusalReply(DialectOf(&route, request), KeyRefusal(), request);
  trace.key = key->name;
  return HandleWithKey(exchange, *key);
}

HttpReply ApiServer::HandleOptions(const Exchange& exchange) const {
  HttpReply reply;
  reply.status = 204;
  const std::string methods = fmt::format("{}, OPTIONS", exchange.route.method);
  reply.headers.emplace_back("Allow", methods);
  cross_origin_.AddPreflightHeaders(exchange.request, methods, &reply);
  return reply;
}

std::optional<HttpReply> ApiServer::HandleWithoutModel(const Exchange& exchange, const ApiKey& key) {
  const HttpRequest& request = exchange.request;
  switch (exchange.route.route) {
    case ApiRoute::kPage:
      return HandlePage(PlainPath(request.path));
    case ApiRoute::kHealth:
      return HealthReply(FindObstacle());
    case ApiRoute::kStatus:
      return HandleStatus(key);
    case ApiRoute::kMetrics:
      return HandleMetrics();
    case ApiRoute::kOpenApi:
      return HandleOpenApi();
    case ApiRoute::kUsage:
      return HandleUsage(request, key, accounts_);
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

HttpReply ApiServer::HandleWithKey(const Exchange& exchange, const ApiKey& key) {
  if (auto reply = HandleWithoutModel(exchange, key)) return std::move(*reply);
  const auto& [request, route, trace] = exchange;
  const Dialect dialect = DialectOf(&route, request);
  if (route.route == ApiRoute::kNotImplemented) {
    return RefusalReply(dialect,
                        {.status = 501,
                         .message = fmt::format("{} is not implemented yet", request.path),
                         .reason = "not_implemented",
                         .retry_after = {}},
                        request);
  }
  if (const auto obstacle = FindObstacle()) {
    return RefusalReply(
        dialect,
        {.status = 503, .message = obstacle->reason, .reason = {}, .retry_after = obstacle->retry_after},
        request);
  }
  switch (route.route) {
    case ApiRoute::kModels:
      return HandleModels(std::string(PlainPath(request.path)));
    case ApiRoute::kEmbeddings:
      return HandleEmbeddings(*model_);
    case ApiRoute::kTokenize:
      return HandleTokenize(request, *model_);
    case ApiRoute::kDetokenize:
      return HandleDetokenize(request, *model_);
    case ApiRoute::kCountTokens:
      return HandleCountTokens(request, *model_);
    case ApiRoute::kResponsesInputTokens:
      return HandleResponsesInputTokens(request, *model_, {responses_, key.name});
    case ApiRoute::kStoredResponse:
      return HandleStoredResponse(request, PlainPath(request.path).substr(kResponsesPrefix.size()),
                                  {responses_, key.name});
    default:
      return HandleAdmitted(exchange, key);
  }
}

HttpReply ApiServer::HandleAdmitted(const Exchange& exchange, const ApiKey& key) {
  const auto& [request, route, trace] = exchange;
  const Dialect dialect = DialectOf(&route, request);
  Admission admission = Admit(key, accounts_);
  if (admission.meter == nullptr) {
    HttpReply reply = RefusalReply(dialect, RateRefusal(admission.verdict), request);
    AddRateHeaders(dialect, admission.verdict, &reply);
    return reply;
  }
  admission.meter->SetModel({.requested = model_->id, .booked_as = model_->id, .served = model_->id});
  trace.meter = admission.meter;
  HttpReply reply = HandleGeneration(route.route,
                                     {.request = request,
                                      .model = *model_,
                                      .options = options_.generation,
                                      .ending = ending_,
                                      .meter = admission.meter},
                                     responses_);
  AddRateHeaders(dialect, admission.verdict, &reply);
  return reply;
}

Engine::Load ApiServer::CurrentLoad() const { return model_ready_ ? model_->engine->load() : Engine::Load{}; }

HttpReply ApiServer::HandleMetrics() const {
  HttpReply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = accounts_.metrics.Text(CurrentLoad());
  return reply;
}

HttpReply ApiServer::HandleModels(const std::string& path) const {
  HttpReply reply;
  constexpr std::string_view kPrefix = "/models/";
  if (path.starts_with(kPrefix)) {
    const auto requested = FindModel(*model_, std::string_view(path).substr(kPrefix.size()));
    if (!requested) return ErrorReply(requested.error());
    reply.body = DumpJson(ModelJson(*model_, requested->name));
  } else {
    reply.body = DumpJson(ModelListJson(*model_));
  }
  return reply;
}

HttpReply ApiServer::HandleStatus(const ApiKey& key) {
  const bool ready = model_ready_;
  const auto obstacle = FindObstacle();
  const Engine::Load load = CurrentLoad();
  std::vector<UsageRow> rows = accounts_.usage->Today(std::chrono::system_clock::now());
  if (!key.is_admin) std::erase_if(rows, [&key](const UsageRow& row) { return row.key.key != key.name; });
  UsageCounts all;
  for (const UsageRow& row : rows) all += row.counts;
  const TokenCounts totals = accounts_.metrics.totals();
  HttpReply reply;
  reply.body = DumpJson(Json{{"model", ready ? model_->id : ""},
                             {"state", obstacle ? obstacle->reason : "ready"},
                             {"context_max", ready ? model_->engine->context_max() : 0},
                             {"requests_running", load.running},
                             {"requests_waiting", load.waiting},
                             {"kv_blocks_used", load.kv_blocks_used},
                             {"kv_blocks_total", load.kv_blocks_total},
                             {"prompt_tokens", totals.prompt},
                             {"prompt_tokens_cached", totals.cached},
                             {"completion_tokens", totals.completion},
                             {"cache_hit_rate", CacheHitRate(all.tokens)},
                             {"usage_today", UsageByKeyJson(rows)}});
  return reply;
}

}  // namespace mimo
