#pragma once
// How much each key may use per minute, and at once.

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace mimo {

// 0: no limit.
struct RateLimits {
  uint64_t requests_per_minute = 0;
  uint64_t tokens_per_minute = 0;
  uint64_t concurrent = 0;
};

// Of one kind, for the headers of a reply.
struct RateStanding {
  uint64_t limit = 0;
  uint64_t remaining = 0;
  std::chrono::milliseconds until_full{0};
};

struct RateVerdict {
  enum class Cause { kNone, kRequests, kTokens, kConcurrent };
  Cause refused_for = Cause::kNone;
  std::chrono::milliseconds retry_after{0};  // when refused: not before this
  RateStanding requests;
  RateStanding tokens;
};

// A bucket of a minute's allowance for each key, which refills evenly. A request takes its tokens when they
// are known, after it was admitted: the bucket may fall below zero, and nothing is admitted until it is above
// again. So one request may exceed what is left, and the rate over time holds all the same. Thread-safe; no
// call waits. Remembers every key that was ever admitted, of which a key file has a bounded number.
class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  // Unless refused, counts one request that Finish must follow.
  RateVerdict Admit(const std::string& key, const RateLimits& limits, Clock::time_point now);
  // Of an admitted request, as its tokens become known.
  void Charge(const std::string& key, uint64_t tokens, Clock::time_point now);
  void Finish(const std::string& key);

 private:
  // A limit may change while the server runs; the bucket then holds at most a minute of the new one.
  struct Bucket {
    double level = 0;
    Clock::time_point filled_at;
    uint64_t per_minute = 0;

    void Refill(uint64_t limit, Clock::time_point now);
    std::chrono::milliseconds Until(double wanted) const;
    RateStanding standing() const;
  };
  struct Account {
    Bucket requests;
    Bucket tokens;
    uint64_t running = 0;
  };

  std::mutex mutex_;
  std::map<std::string, Account> accounts_;
};

}  // namespace mimo
