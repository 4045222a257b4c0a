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
// One file per idea: http_server (the library behind an interface), api_error (the table of error codes),
// json_fields, sampling_fields (typed reads of a request), served_model (names), *_route (endpoints), page
// (the web page and its home), serve (start, signals, end).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/status.h"
#include "server/generation_route.h"
#include "server/http_server.h"
#include "server/responses_store.h"
#include "server/served_model.h"

namespace mimo {

enum class ApiRoute : uint8_t;

struct ApiServerOptions {
  HttpServerOptions http;
  GenerationRouteOptions generation;
  ResponsesStoreOptions responses;
};

// Answers from the first moment: /health says 503 with a reason until a model is set. Thread-safe.
class ApiServer {
 public:
  // kUnavailable when the address cannot be listened on.
  static Result<std::unique_ptr<ApiServer>> Start(const ApiServerOptions& options);
  // Ends running requests and closes every connection.
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  int port() const { return http_->port(); }

  // Once; from then on requests are served.
  void SetModel(ServedModel model);

  // From now on new requests get 503 and /health says so; running ones go on.
  void BeginDrain() { draining_ = true; }
  // Cancels the running ones as well; their clients are told.
  void CancelRunning() { ending_ = true; }
  // How many replies are being made right now.
  uint32_t num_active() const { return num_active_; }

 private:
  explicit ApiServer(const ApiServerOptions& options) : options_(options), responses_(options.responses) {}

  HttpReply Handle(const HttpRequest& request);
  HttpReply Generate(ApiRoute route, const HttpRequest& request);
  HttpReply HandleHealth() const;
  HttpReply HandleModels(const std::string& path) const;
  HttpReply HandleStatus() const;
  // The replies that need no model; nothing for other routes.
  std::optional<HttpReply> HandleWithoutModel(ApiRoute route, const HttpRequest& request) const;
  // Why requests cannot be served; nothing when they can.
  std::optional<std::string> Obstacle() const;
  // Keeps the reply counted as active until its last byte is written.
  HttpReply Counted(HttpReply reply, std::shared_ptr<void> active);

  const ApiServerOptions options_;
  ResponsesStore responses_;
  std::optional<ServedModel> model_;
  std::atomic<bool> model_ready_{false};  // guards model_: written once before this turns true
  std::atomic<bool> draining_{false};
  std::atomic<bool> ending_{false};
  std::atomic<uint32_t> num_active_{0};
  std::unique_ptr<HttpServer> http_;  // last: its threads use all of the above
};

}  // namespace mimo
