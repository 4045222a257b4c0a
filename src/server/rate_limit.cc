#include "server/rate_limit.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace mimo {
namespace {

// A refusal for concurrency ends when a request does; nobody knows when that is.
constexpr std::chrono::milliseconds kConcurrentRetry{1000};

}  // namespace

void RateLimiter::Bucket::Refill(uint64_t limit, Clock::time_point now) {
  const auto capacity = static_cast<double>(limit);
  if (per_minute == 0) {
    level = capacity;
  } else {
    const double minutes = std::chrono::duration<double, std::ratio<60>>(now - filled_at).count();
    level = std::min(capacity, level + std::max(0.0, minutes) * capacity);
  }
  per_minute = limit;
  filled_at = now;
}

std::chrono::milliseconds RateLimiter::Bucket::Until(double wanted) const {
  if (per_minute == 0 || level >= wanted) return std::chrono::milliseconds(0);
  const double minutes = (wanted - level) / static_cast<double>(per_minute);
  // Rounded up, but for what floating point adds to a whole number.
  return std::chrono::milliseconds(static_cast<int64_t>(std::ceil(minutes * 60'000 - 1e-6)));
}

RateStanding RateLimiter::Bucket::standing() const {
  return {.limit = per_minute,
          .remaining = static_cast<uint64_t>(std::max(0.0, std::floor(level))),
          .until_full = Until(static_cast<double>(per_minute))};
}

RateVerdict RateLimiter::Admit(const std::string& key, const RateLimits& limits, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  Account& account = accounts_[key];
  account.requests.Refill(limits.requests_per_minute, now);
  account.tokens.Refill(limits.tokens_per_minute, now);
  RateVerdict verdict;
  if (limits.concurrent > 0 && account.running >= limits.concurrent) {
    verdict.refused_for = RateVerdict::Cause::kConcurrent;
    verdict.retry_after = kConcurrentRetry;
  }
  if (limits.tokens_per_minute > 0 && account.tokens.level < 1) {
    verdict.refused_for = RateVerdict::Cause::kTokens;
    verdict.retry_after = account.tokens.Until(1);
  }
  if (limits.requests_per_minute > 0 && account.requests.level < 1) {
    verdict.refused_for = RateVerdict::Cause::kRequests;
    verdict.retry_after = std::max(verdict.retry_after, account.requests.Until(1));
  }
  if (verdict.refused_for == RateVerdict::Cause::kNone) {
    account.requests.level -= limits.requests_per_minute > 0 ? 1 : 0;
    ++account.running;
  }
  verdict.requests = account.requests.standing();
  verdict.tokens = account.tokens.standing();
  return verdict;
}

void RateLimiter::Charge(const std::string& key, uint64_t tokens, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  Account& account = accounts_[key];
  if (account.tokens.per_minute == 0) return;
  account.tokens.Refill(account.tokens.per_minute, now);
  account.tokens.level -= static_cast<double>(tokens);
}

void RateLimiter::Finish(const std::string& key) {
  const std::lock_guard lock(mutex_);
  Account& account = accounts_[key];
  MIMO_CHECK(account.running > 0);
  --account.running;
}

}  // namespace mimo
