#pragma once
// server/: HTTP and event streams <-> engine requests.
//
//   bytes -> HttpServer (a thread per connection) -> ApiServer (routes)
//         -> ParseChatCompletion: JSON -> ChatRequest -> prompt tokens -> GenerationRequest
//         -> GenerationGroup: Engine::Submit; the engine thread appends events to the request's queue
//         -> ChoiceReader: events -> reasoning, answer and tool calls, token counts
//         -> ChatChunks (stream) or ChatMessageBuilder (whole reply) -> JSON -> bytes
//   The last steps are the same for every endpoint that generates: generation_route. Each dialect has a
//   parser of its own before them and a format of its own behind them: chat_*, messages_* (Anthropic),
//   responses_*.
//
// Connection threads never touch the model. The engine thread never waits for one of them: it only appends to
// a queue that the request's max_tokens bounds. JSON ends at the parsers; between them are native structs. A
// client that goes away, streaming or not, has its generation cancelled within poll_interval.
//
// Before a handler runs: route_table (which endpoint), gate (who asks, and may they), refusal (why not, in
// the words of the endpoint's clients). While it runs: request_meter, which every request that generates
// carries, and from which limits, usage, money and metrics are counted.
//
// One file per idea: http_server (the library behind an interface), api_error (the table of error codes),
// json_fields, sampling_fields, output_format, tool_choice_field, stream_options (typed reads of a request),
// reply_shape (tools and formats -> a grammar), served_model and model_alias (names), *_route (endpoints),
// page (the web page and its home), serve (start, signals, end), batch_file, batch_results, batch_run (the
// same endpoints without HTTP).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "server/access_log.h"
#include "server/gate.h"
#include "server/generation_route.h"
#include "server/health.h"
#include "server/http_server.h"
#include "server/price_card.h"
#include "server/request_meter.h"
#include "server/responses_store.h"
#include "server/route_table.h"
#include "server/served_model.h"

namespace mimo {

struct ApiServerOptions {
  HttpServerOptions http;
  GenerationRouteOptions generation;
  std::string keys_path;      // API keys (key_file.h); empty: none is needed
  RateLimits limit_defaults;  // of keys that name none of their own
  PriceCard prices = PriceCard::Published();
  UsageStoreOptions usage;
  bool open_metrics = false;              // /metrics without a key
  bool log_prompts = false;               // bodies of requests in the log
  std::vector<std::string> cors_origins;  // whose pages may use the server from a browser
  ResponsesStoreOptions responses;
};

// Answers from the first moment: /health says 503 with a reason until a model is set. Thread-safe.
class ApiServer {
 public:
  // kUnavailable when the address cannot be listened on; errors of the key file and the usage file.
  static Result<std::unique_ptr<ApiServer>> Start(const ApiServerOptions& options);
  // Ends running requests and closes every connection.
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  int port() const { return http_->port(); }

  // Once; from then on requests are served.
  void SetModel(ServedModel model);

  // Reads the key file and the certificate again; what cannot be read stays as it was, and the log says why.
  void Reload();

  // From now on new requests get 503 and /health says so; running ones go on.
  void BeginDrain() { draining_ = true; }
  // Cancels the running ones as well; their clients are told.
  void CancelRunning() { ending_ = true; }
  // How many replies are being made right now.
  uint32_t num_active() const { return num_active_; }

 private:
  explicit ApiServer(const ApiServerOptions& options)
      : options_(options), cross_origin_(options.cors_origins), responses_(options.responses) {}

  // A request on its way.
  struct Exchange {
    const HttpRequest& request;
    const RouteEntry& route;
    RequestTrace& trace;
  };

  HttpReply Handle(const HttpRequest& request);
  HttpReply HandleRoute(const Exchange& exchange);
  HttpReply HandleWithKey(const Exchange& exchange, const ApiKey& key);
  HttpReply HandleAdmitted(const Exchange& exchange, const ApiKey& key);
  HttpReply HandleOptions(const Exchange& exchange) const;
  HttpReply HandleMetrics() const;
  HttpReply HandleModels(const std::string& path) const;
  HttpReply HandleStatus(const ApiKey& key);
  // The replies that need no model; nothing for other routes.
  std::optional<HttpReply> HandleWithoutModel(const Exchange& exchange, const ApiKey& key);
  // Why requests cannot be served; nothing when they can.
  std::optional<Obstacle> FindObstacle() const;
  Engine::Load CurrentLoad() const;
  // Counts the reply as active until its last byte is written, and then logs it.
  HttpReply Followed(HttpReply reply, RequestTrace trace);

  const ApiServerOptions options_;
  const CrossOriginRules cross_origin_;
  ResponsesStore responses_;
  Accounts accounts_;  // before the model: what its engine still runs is booked there
  std::optional<ServedModel> model_;
  std::atomic<bool> model_ready_{false};  // guards model_: written once before this turns true
  std::atomic<bool> draining_{false};
  std::atomic<bool> ending_{false};
  std::atomic<uint32_t> num_active_{0};
  std::unique_ptr<HttpServer> http_;  // last: its threads use all of the above
};

}  // namespace mimo
