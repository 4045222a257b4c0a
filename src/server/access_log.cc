#include "server/access_log.h"

#include <vector>

#include "base/log.h"

namespace mimo {
namespace {

constexpr size_t kPathBytesMax = 200;
constexpr size_t kPromptBytesMax = size_t{64} << 10;

double Milliseconds(std::chrono::nanoseconds duration) {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count()) / 1000;
}

LogLevel LevelOf(const RequestTrace& trace, int status) {
  // Asked every few seconds, and expected to fail while the model loads.
  if (trace.route != nullptr && trace.route->route == ApiRoute::kHealth) return LogLevel::kDebug;
  if (status >= 500 && status != 501) return LogLevel::kWarning;
  const bool is_routine = trace.route != nullptr && trace.route->method == "GET" && status < 400;
  return is_routine ? LogLevel::kDebug : LogLevel::kInfo;
}

void AddMeter(const RequestMeter& meter, std::vector<LogField>* fields) {
  const TokenCounts tokens = meter.tokens();
  const RequestTimes times = meter.times();
  fields->push_back({.name = "model", .value = meter.model()});
  fields->push_back(LogNumber("prompt_tokens", tokens.prompt));
  fields->push_back(LogNumber("cached_tokens", tokens.cached));
  fields->push_back(LogNumber("completion_tokens", tokens.completion));
  fields->push_back(LogNumber("queue_ms", Milliseconds(times.queue)));
  fields->push_back(LogNumber("first_token_ms", Milliseconds(times.first_token)));
}

}  // namespace

RequestTrace TraceOf(const HttpRequest& request, const RouteEntry* route, bool with_prompt) {
  RequestTrace trace;
  trace.id = request.id;
  trace.method = request.method;
  trace.path = request.path.substr(0, kPathBytesMax);
  trace.route = route;
  if (with_prompt) trace.body = request.body.substr(0, kPromptBytesMax);
  return trace;
}

void LogRequest(const RequestTrace& trace, int status, bool is_cut) {
  std::vector<LogField> fields = {
      {.name = "request_id", .value = trace.id},
      {.name = "method", .value = trace.method},
      {.name = "route", .value = trace.route == nullptr ? trace.path : std::string(trace.route->path)},
      LogNumber("status", status)};
  if (!trace.key.empty()) fields.push_back({.name = "key", .value = trace.key});
  if (trace.meter != nullptr) AddMeter(*trace.meter, &fields);
  fields.push_back(LogNumber("total_ms", Milliseconds(std::chrono::steady_clock::now() - trace.arrived_at)));
  if (is_cut) fields.push_back({.name = "cut", .value = "true", .is_number = true});
  if (!trace.body.empty()) fields.push_back({.name = "body", .value = trace.body});
  LogLine(LevelOf(trace, status), "request", fields);
}

}  // namespace mimo
