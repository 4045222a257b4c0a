#include "server/refusal.h"

#include <fmt/chrono.h>

#include <ctime>

#include "base/json.h"

namespace mimo {
namespace {

std::string_view OpenAiType(int status) {
  if (status == 429) return "rate_limit_error";
  if (status == 501) return "not_implemented_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

std::string_view AnthropicType(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

Json BodyOf(Dialect dialect, const Refusal& refusal, const std::string& request_id) {
  if (dialect == Dialect::kAnthropic) {
    return Json{{"type", "error"},
                {"error", {{"type", AnthropicType(refusal.status)}, {"message", refusal.message}}},
                {"request_id", request_id}};
  }
  return Json{{"error",
               {{"message", refusal.message},
                {"type", OpenAiType(refusal.status)},
                {"param", nullptr},
                {"code", refusal.reason.empty() ? Json(nullptr) : Json(refusal.reason)}}}};
}

// "1m30s", "250ms": as OpenAI writes them.
std::string DurationText(std::chrono::milliseconds duration) {
  const int64_t total = duration.count();
  if (total < 1000) return fmt::format("{}ms", total);
  const int64_t minutes = total / 60'000;
  const double seconds = static_cast<double>(total % 60'000) / 1000;
  return minutes > 0 ? fmt::format("{}m{:g}s", minutes, seconds) : fmt::format("{:g}s", seconds);
}

std::string TimeText(std::chrono::milliseconds from_now) {
  const auto when = std::chrono::system_clock::now() + from_now;
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(when)));
}

void AddKind(Dialect dialect, std::string_view kind, const RateStanding& standing, HttpReply* reply) {
  if (standing.limit == 0) return;
  const auto add = [reply](std::string name, std::string value) {
    reply->headers.emplace_back(std::move(name), std::move(value));
  };
  add(fmt::format("x-ratelimit-limit-{}", kind), std::to_string(standing.limit));
  add(fmt::format("x-ratelimit-remaining-{}", kind), std::to_string(standing.remaining));
  add(fmt::format("x-ratelimit-reset-{}", kind), DurationText(standing.until_full));
  if (dialect != Dialect::kAnthropic) return;
  add(fmt::format("anthropic-ratelimit-{}-limit", kind), std::to_string(standing.limit));
  add(fmt::format("anthropic-ratelimit-{}-remaining", kind), std::to_string(standing.remaining));
  add(fmt::format("anthropic-ratelimit-{}-reset", kind), TimeText(standing.until_full));
}

}  // namespace

HttpReply RefusalReply(Dialect dialect, const Refusal& refusal, const HttpRequest& request) {
  HttpReply reply;
  reply.status = dialect == Dialect::kAnthropic && refusal.status == 503 ? 529 : refusal.status;
  reply.body = DumpJson(BodyOf(dialect, refusal, request.id));
  std::chrono::milliseconds retry_after = refusal.retry_after;
  if (refusal.status == 503) retry_after = std::max(retry_after, std::chrono::milliseconds(1000));
  if (retry_after.count() > 0) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry_after);
    reply.headers.emplace_back("retry-after", std::to_string(seconds.count()));
    reply.headers.emplace_back("retry-after-ms", std::to_string(retry_after.count()));
  }
  if (refusal.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (refusal.status == 501) reply.headers.emplace_back("x-should-retry", "false");
  return reply;
}

Refusal KeyRefusal() {
  return {.status = 401,
          .message =
              "no valid API key: send one as 'Authorization: Bearer KEY', 'x-api-key: KEY' or "
              "'api-key: KEY'",
          .reason = "invalid_api_key",
          .retry_after = {}};
}

Refusal RateRefusal(const RateVerdict& verdict) {
  std::string what;
  switch (verdict.refused_for) {
    case RateVerdict::Cause::kRequests:
      what = fmt::format("{} requests per minute", verdict.requests.limit);
      break;
    case RateVerdict::Cause::kTokens:
      what = fmt::format("{} tokens per minute", verdict.tokens.limit);
      break;
    default:
      what = "as many requests at once as this key may make";
      break;
  }
  return {.status = 429,
          .message =
              fmt::format("rate limit reached: {}; try again in {}", what, DurationText(verdict.retry_after)),
          .reason = "rate_limit_exceeded",
          .retry_after = verdict.retry_after};
}

void AddRateHeaders(Dialect dialect, const RateVerdict& verdict, HttpReply* reply) {
  AddKind(dialect, "requests", verdict.requests, reply);
  AddKind(dialect, "tokens", verdict.tokens, reply);
}

}  // namespace mimo
