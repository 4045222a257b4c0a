#pragma once
// One line in the log for each request.

#include <memory>
#include <string>

#include "server/http_server.h"
#include "server/request_meter.h"
#include "server/route_table.h"

namespace mimo {

// What a request has become on its way through the server.
struct RequestTrace {
  std::string id;
  std::string method;
  std::string path;
  const RouteEntry* route = nullptr;    // null: no such path
  std::string key;                      // name of the key; empty: none
  std::shared_ptr<RequestMeter> meter;  // of requests that generate
  std::string body;                     // only where prompts may be logged
  std::chrono::steady_clock::time_point arrived_at = std::chrono::steady_clock::now();
};

// `body` is kept only with `with_prompt`.
RequestTrace TraceOf(const HttpRequest& request, const RouteEntry* route, bool with_prompt);

// After the last byte of the reply. `is_cut`: the client has gone, or a stream ended early. What is asked
// every few seconds by programs (/health, /metrics) is a debug line. Never text of a prompt or an answer,
// but for `trace.body`.
void LogRequest(const RequestTrace& trace, int status, bool is_cut);

}  // namespace mimo
