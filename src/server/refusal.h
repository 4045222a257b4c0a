#pragma once
// Replies that are made before an endpoint's own code runs - no key, too many requests, no such path - in the
// words of the clients of that endpoint.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/http_server.h"
#include "server/rate_limit.h"

namespace mimo {

// Whose clients an endpoint speaks with.
enum class Dialect : uint8_t { kOpenAi, kAnthropic };

struct Refusal {
  int status = 400;
  std::string message;
  std::string reason;  // OpenAI's `code`; empty: null
  std::chrono::milliseconds retry_after{0};
};

// {"error": {"message", "type", "param", "code"}} or {"type": "error", "error": {"type", "message"},
// "request_id"}. Anthropic's status for an overloaded server is 529 where HTTP's is 503.
HttpReply RefusalReply(Dialect dialect, const Refusal& refusal, const HttpRequest& request);

Refusal KeyRefusal();
Refusal RateRefusal(const RateVerdict& verdict);

// x-ratelimit-*, as OpenAI's clients read them, and on Anthropic's endpoints anthropic-ratelimit-* too. Kinds
// without a limit are left out.
void AddRateHeaders(Dialect dialect, const RateVerdict& verdict, HttpReply* reply);

}  // namespace mimo
