#include "server/rate_limit.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

using Cause = RateVerdict::Cause;
using std::chrono::milliseconds;
using std::chrono::seconds;

class RateLimiterTest : public testing::Test {
 protected:
  // Admits one request and, unless it is refused, ends it.
  Cause Run(const RateLimits& limits, const std::string& key = "alice") {
    last_ = limiter_.Admit(key, limits, now_);
    if (last_.refused_for == Cause::kNone) limiter_.Finish(key);
    return last_.refused_for;
  }

  RateLimiter limiter_;
  RateLimiter::Clock::time_point now_{seconds(1000)};
  RateVerdict last_;
};

TEST_F(RateLimiterTest, NoLimitRefusesNothing) {
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Run({}), Cause::kNone);
  EXPECT_EQ(last_.requests.limit, 0U);
}

TEST_F(RateLimiterTest, CountsRequestsAndRefillsEvenly) {
  const RateLimits limits{.requests_per_minute = 3, .tokens_per_minute = 0, .concurrent = 0};
  for (uint64_t left : {2, 1, 0}) {
    ASSERT_EQ(Run(limits), Cause::kNone);
    EXPECT_EQ(last_.requests.remaining, left);
  }
  EXPECT_EQ(last_.requests.until_full, seconds(60));

  EXPECT_EQ(Run(limits), Cause::kRequests);
  EXPECT_EQ(last_.retry_after, seconds(20));
  now_ += milliseconds(19'900);
  EXPECT_EQ(Run(limits), Cause::kRequests);
  EXPECT_EQ(last_.retry_after, milliseconds(100));
  now_ += milliseconds(100);
  EXPECT_EQ(Run(limits), Cause::kNone);
  EXPECT_EQ(Run(limits), Cause::kRequests);
  now_ += seconds(3600);  // an idle hour gives no more than a minute's allowance
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Run(limits), Cause::kNone);
  EXPECT_EQ(Run(limits), Cause::kRequests);
}

TEST_F(RateLimiterTest, KeysDoNotShareTheirAllowance) {
  const RateLimits limits{.requests_per_minute = 1, .tokens_per_minute = 0, .concurrent = 0};
  EXPECT_EQ(Run(limits, "alice"), Cause::kNone);
  EXPECT_EQ(Run(limits, "alice"), Cause::kRequests);
  EXPECT_EQ(Run(limits, "bob"), Cause::kNone);
}

TEST_F(RateLimiterTest, TokensMayFallBelowZeroAndThenHoldBackWhatFollows) {
  const RateLimits limits{.requests_per_minute = 0, .tokens_per_minute = 600, .concurrent = 0};
  EXPECT_EQ(Run(limits), Cause::kNone);
  limiter_.Charge("alice", 1199, now_);  // 599 below zero: a minute's allowance until there is one again

  EXPECT_EQ(Run(limits), Cause::kTokens);
  EXPECT_EQ(last_.retry_after, seconds(60));
  EXPECT_EQ(last_.tokens.remaining, 0U);
  now_ += seconds(60);
  EXPECT_EQ(Run(limits), Cause::kNone);
}

TEST_F(RateLimiterTest, BoundsWhatRunsAtOnce) {
  const RateLimits limits{.requests_per_minute = 0, .tokens_per_minute = 0, .concurrent = 2};
  EXPECT_EQ(limiter_.Admit("alice", limits, now_).refused_for, Cause::kNone);
  EXPECT_EQ(limiter_.Admit("alice", limits, now_).refused_for, Cause::kNone);

  const RateVerdict refused = limiter_.Admit("alice", limits, now_);
  EXPECT_EQ(refused.refused_for, Cause::kConcurrent);
  EXPECT_GT(refused.retry_after.count(), 0);
  limiter_.Finish("alice");
  EXPECT_EQ(limiter_.Admit("alice", limits, now_).refused_for, Cause::kNone);
}

TEST_F(RateLimiterTest, ARefusedRequestCostsNothing) {
  const RateLimits limits{.requests_per_minute = 5, .tokens_per_minute = 0, .concurrent = 1};
  EXPECT_EQ(limiter_.Admit("alice", limits, now_).refused_for, Cause::kNone);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(limiter_.Admit("alice", limits, now_).refused_for, Cause::kConcurrent);
  }
  limiter_.Finish("alice");
  EXPECT_EQ(Run(limits), Cause::kNone);
  EXPECT_EQ(last_.requests.remaining, 3U);
}

TEST_F(RateLimiterTest, ANewLimitHoldsFromTheNextRequest) {
  const RateLimits large{.requests_per_minute = 1000, .tokens_per_minute = 0, .concurrent = 0};
  const RateLimits small{.requests_per_minute = 1, .tokens_per_minute = 0, .concurrent = 0};
  EXPECT_EQ(Run(large), Cause::kNone);
  EXPECT_EQ(Run(small), Cause::kNone);
  EXPECT_EQ(Run(small), Cause::kRequests);
}

// Whatever a client does, the tokens of an hour stay within an hour's allowance and one request beyond it.
TEST_F(RateLimiterTest, RateOverTimeHolds) {
  const RateLimits limits{.requests_per_minute = 0, .tokens_per_minute = 1000, .concurrent = 0};
  uint64_t used = 0;
  for (int i = 0; i < 36'000; ++i) {
    now_ += milliseconds(100);
    if (Run(limits) != Cause::kNone) continue;
    limiter_.Charge("alice", 700, now_);
    used += 700;
  }
  EXPECT_LE(used, 1000U * 61 + 700);
  EXPECT_GE(used, 1000U * 60);
}

}  // namespace
}  // namespace mimo
