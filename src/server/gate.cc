#include "server/gate.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>

namespace mimo {
namespace {

constexpr std::string_view kPreflightSeconds = "600";

// The KEY of "Bearer KEY"; the scheme in any case.
std::string_view BearerKey(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return {};
  const bool is_bearer =
      std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                 [](char want, char c) { return want == std::tolower(static_cast<unsigned char>(c)); });
  if (!is_bearer) return {};
  const std::string_view key = authorization.substr(kScheme.size());
  return key.substr(std::min(key.find_first_not_of(' '), key.size()));
}

ApiKey NamelessKey() {
  ApiKey key;
  key.is_admin = true;
  key.priority = std::numeric_limits<int>::max();  // where nobody is told apart, everybody may ask for any
  return key;
}

}  // namespace

std::optional<ApiKey> CallerOf(const HttpRequest& request, const Accounts& accounts) {
  if (accounts.keys == nullptr) return NamelessKey();
  // Some clients send two of them, one of which is meant for somebody else: any valid one will do.
  const std::array presented = {BearerKey(request.Header("authorization")), request.Header("x-api-key"),
                                request.Header("api-key")};
  for (const std::string_view key : presented) {
    if (key.empty()) continue;
    if (auto found = accounts.keys->Find(key)) return found;
  }
  return std::nullopt;
}

Admission Admit(const ApiKey& key, Accounts& accounts) {
  Admission admission;
  admission.verdict = accounts.limiter.Admit(key.name, accounts.LimitsOf(key), RateLimiter::Clock::now());
  if (admission.verdict.refused_for == RateVerdict::Cause::kNone) {
    admission.meter = std::make_shared<RequestMeter>(accounts, key);
  }
  return admission;
}

bool CrossOriginRules::Allows(std::string_view origin) const {
  return std::any_of(origins_.begin(), origins_.end(),
                     [origin](const std::string& allowed) { return allowed == "*" || allowed == origin; });
}

void CrossOriginRules::AddHeaders(const HttpRequest& request, HttpReply* reply) const {
  if (origins_.empty()) return;
  reply->headers.emplace_back("Vary", "Origin");  // so that caches keep replies to different origins apart
  const std::string_view origin = request.Header("origin");
  if (origin.empty() || !Allows(origin)) return;
  reply->headers.emplace_back("Access-Control-Allow-Origin", std::string(origin));
  reply->headers.emplace_back("Access-Control-Expose-Headers",
                              "x-request-id, request-id, retry-after, retry-after-ms, "
                              "x-ratelimit-remaining-requests, x-ratelimit-remaining-tokens");
}

void CrossOriginRules::AddPreflightHeaders(const HttpRequest& request, std::string_view methods,
                                           HttpReply* reply) const {
  if (request.Header("origin").empty() || !Allows(request.Header("origin"))) return;
  reply->headers.emplace_back("Access-Control-Allow-Methods", std::string(methods));
  const std::string_view wanted = request.Header("access-control-request-headers");
  reply->headers.emplace_back("Access-Control-Allow-Headers",
                              wanted.empty() ? "authorization, content-type" : std::string(wanted));
  reply->headers.emplace_back("Access-Control-Max-Age", std::string(kPreflightSeconds));
}

}  // namespace mimo
