#pragma once
// The account of one request that generates: whose it is, what it used, what that costs and how long it took.
// The limits, the bill, the metrics and the log all read it, so that they agree.

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"
#include "server/api_keys.h"
#include "server/metrics.h"
#include "server/price_card.h"
#include "server/rate_limit.h"
#include "server/usage_store.h"

namespace mimo {

// What all requests are booked in. Outlives every meter, and so the engine.
struct Accounts {
  PriceCard prices;
  RateLimits limit_defaults;      // of keys that name none of their own, and of requests without a key
  std::unique_ptr<ApiKeys> keys;  // null: no key is needed
  std::unique_ptr<UsageStore> usage;
  RateLimiter limiter;
  ServerMetrics metrics;

  RateLimits LimitsOf(const ApiKey& key) const;
};

struct RequestCost {
  std::string currency;
  Money amount;
};

// Times since the request's arrival; zero for what did not happen.
struct RequestTimes {
  std::chrono::nanoseconds first_token{0};
  std::chrono::nanoseconds queue{0};
  std::chrono::nanoseconds whole{0};
};

// Shared by the connection's thread and the engine's: the engine's sinks hold it until the last token, also
// when the client has gone. What was used is booked by Settle, or else when the last holder lets go; prompt
// tokens count from the first token on, so that a request cancelled in the queue costs nothing. Thread-safe.
class RequestMeter {
 public:
  // Requires: `accounts.limiter` admitted a request of `key`.
  RequestMeter(Accounts& accounts, ApiKey key);
  ~RequestMeter();
  RequestMeter(const RequestMeter&) = delete;
  RequestMeter& operator=(const RequestMeter&) = delete;

  const ApiKey& key() const { return key_; }

  struct ModelNames {
    std::string_view requested;  // what the client asked for
    std::string_view booked_as;  // what usage is kept under: one of finitely many
    std::string_view served;     // the model behind both
  };
  // The price is that of the name requested, or of the model.
  void SetModel(const ModelNames& names);

  // Choices 0 to n - 1 share a prompt, the next n another, and so on. Before the first event; without it all
  // share one.
  void SetChoicesPerPrompt(uint32_t n);
  // Makes the request its key's: the owner, and a priority that is at most the key's.
  void Sign(GenerationRequest& request) const;
  // The engine refused the request.
  void CountRefusal(const EngineError& error);
  // The news of choice `index`, in order. On the engine thread.
  void Observe(uint32_t index, const GenerationEvent& event);
  // Every choice has ended and its last event was observed. Only the reader of the text knows how much of it
  // was reasoning. Before the last byte of the reply, so that whoever has read it finds it in the usage.
  void Settle(uint64_t reasoning_tokens);

  // As far as they are known.
  TokenCounts tokens() const;
  // Of `tokens`; nothing when the model has no price.
  std::optional<RequestCost> CostOf(const TokenCounts& tokens) const;
  RequestTimes times() const;
  std::string model() const;  // as requested

  ServerMetrics& metrics() const { return accounts_.metrics; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Choice {
    GenerationUsage usage;
    std::optional<Clock::time_point> last_token_at;
  };

  void ObserveTokens(uint32_t index, uint64_t new_tokens, Clock::time_point now);
  TokenCounts TokensLocked() const;
  void BookLocked();

  Accounts& accounts_;
  const ApiKey key_;
  const Clock::time_point arrived_at_ = Clock::now();
  mutable std::mutex mutex_;  // guards what follows
  std::string requested_;
  std::string booked_as_;
  std::optional<ModelPrice> price_;
  std::vector<Choice> choices_;
  uint32_t choices_per_prompt_ = std::numeric_limits<uint32_t>::max();
  std::set<uint32_t> prompts_counted_;
  uint64_t reasoning_tokens_ = 0;
  std::optional<Clock::time_point> first_token_at_;
  bool is_booked_ = false;
};

// Adds "cost" and "currency" to a usage object of any dialect; nothing when the model has no price. Both
// names are free in all of them, and clients keep or ignore what they do not know.
void AddCost(const RequestMeter* meter, const TokenCounts& tokens, Json* usage);

}  // namespace mimo
