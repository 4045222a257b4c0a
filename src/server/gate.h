#pragma once
// Who is let in: the key of a request, its limits, and pages of other origins.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_server.h"
#include "server/refusal.h"
#include "server/request_meter.h"

namespace mimo {

// The key that a request brings, in any of the headers that clients use; nothing when it has no valid one.
// Without a key file everybody is the same nameless key, which may see all usage.
std::optional<ApiKey> CallerOf(const HttpRequest& request, const Accounts& accounts);

// A request that may generate: counted against its key's limits until the last holder of `meter` lets go.
struct Admission {
  RateVerdict verdict;
  std::shared_ptr<RequestMeter> meter;  // null when refused
};
Admission Admit(const ApiKey& key, Accounts& accounts);

// Lets pages of the listed origins ("https://example.org", or "*" for every one) use the server from a
// browser. Off when the list is empty. Never with credentials: keys are sent by the page itself.
class CrossOriginRules {
 public:
  explicit CrossOriginRules(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  // The headers for a reply to `request`: none when its origin is not listed.
  void AddHeaders(const HttpRequest& request, HttpReply* reply) const;
  // What a preflight (an OPTIONS request) asks beyond that.
  void AddPreflightHeaders(const HttpRequest& request, std::string_view methods, HttpReply* reply) const;

 private:
  bool Allows(std::string_view origin) const;

  const std::vector<std::string> origins_;
};

}  // namespace mimo
