#include "engine/fair_share.h"

#include <gtest/gtest.h>

#include <deque>
#include <utility>

namespace mimo {
namespace {

// Plays the scheduler.
class FairShareTest : public ::testing::Test {
 protected:
  Sequence& Wait(std::string owner, uint32_t prompt_tokens = 10, int32_t priority = 0) {
    Sequence& sequence = sequences_.emplace_back();
    sequence.id = sequences_.size();
    sequence.tokens.assign(prompt_tokens, 1);
    sequence.owner = std::move(owner);
    sequence.priority = priority;
    shares_.OnWaiting(sequence);
    return sequence;
  }
  void Run(Sequence& sequence) {
    sequence.is_running = true;
    shares_.OnRunning(sequence);
  }
  void Compute(Sequence& sequence, uint32_t num_tokens) {
    shares_.OnComputed(sequence, num_tokens);
    sequence.num_computed += num_tokens;
    if (sequence.num_pending() == 0) sequence.tokens.push_back(1);
  }
  void Preempt(Sequence& sequence) {
    sequence.is_running = false;
    sequence.num_computed = 0;
    shares_.OnWaiting(sequence);
  }

  FairShare shares_;
  std::deque<Sequence> sequences_;
};

TEST_F(FairShareTest, OrdersByPriorityThenByServiceThenByArrival) {
  Sequence& first = Wait("a");
  Sequence& second = Wait("b");
  Sequence& urgent = Wait("a", 10, 1);
  EXPECT_TRUE(FairShare::Precedes(first, second));
  EXPECT_TRUE(FairShare::Precedes(urgent, first));
  Sequence& third = Wait("a");
  Run(first);  // the prompt counts from here on
  EXPECT_TRUE(FairShare::Precedes(second, third));
  EXPECT_FALSE(FairShare::Precedes(third, second));
}

TEST_F(FairShareTest, ChargesOutputDoubleAndNothingTwice) {
  Sequence& sequence = Wait("a");
  Run(sequence);
  EXPECT_EQ(sequence.account->total(), 10U);
  Compute(sequence, 4);
  EXPECT_EQ(sequence.account->served, 4U);
  EXPECT_EQ(sequence.account->total(), 10U);
  Compute(sequence, 6);
  for (int i = 0; i < 3; ++i) Compute(sequence, 1);
  EXPECT_EQ(sequence.account->served, 16U);
  Preempt(sequence);
  Run(sequence);
  Compute(sequence, 14);
  EXPECT_EQ(sequence.account->served, 17U) << "only the last token is new";
  EXPECT_EQ(sequence.account->total(), 17U);
}

TEST_F(FairShareTest, ChargesOnlyWhatWasComputedOfACancelledPrompt) {
  Sequence& other = Wait("a");
  Sequence& cancelled = Wait("a", 1000);
  Run(cancelled);
  Compute(cancelled, 30);
  shares_.OnRemoved(cancelled);
  EXPECT_EQ(other.account->total(), 30U);
}

TEST_F(FairShareTest, ChargesNothingForTokensFromACache) {
  Sequence& sequence = Wait("a", 100);
  sequence.num_computed = 64;
  Run(sequence);
  EXPECT_EQ(sequence.account->total(), 36U);
  Compute(sequence, 36);
  EXPECT_EQ(sequence.account->served, 36U);
}

TEST_F(FairShareTest, GivesNoCreditForTheTimeAnOwnerWantedNothing) {
  Sequence& early = Wait("early", 5);
  Run(early);
  Compute(early, 5);
  Sequence& busy = Wait("busy", 5000);
  Run(busy);
  Compute(busy, 5000);
  Wait("busy");
  Sequence& again = Wait("early");
  EXPECT_EQ(again.account->total(), busy.account->total());
  EXPECT_EQ(Wait("newcomer").account->total(), busy.account->total());
}

TEST_F(FairShareTest, LiftsToTheLastQueueThatBecameEmptyWhenNobodyWaits) {
  Sequence& busy = Wait("busy", 5000);
  Run(busy);
  Compute(busy, 4000);
  EXPECT_EQ(Wait("newcomer").account->total(), 5000U);
}

TEST_F(FairShareTest, KeepsTheDebtOfAnOwnerThatComesBack) {
  Sequence& greedy = Wait("greedy", 5000);
  Sequence& modest = Wait("modest", 10);
  Run(greedy);
  Compute(greedy, 5000);
  shares_.OnRemoved(greedy);
  EXPECT_EQ(Wait("greedy").account->total(), 5000U);
  EXPECT_EQ(modest.account->total(), 0U);
}

TEST_F(FairShareTest, ForgetsAPriorityWithoutRequests) {
  Sequence& sequence = Wait("a", 100);
  Run(sequence);
  Compute(sequence, 100);
  shares_.OnRemoved(sequence);
  EXPECT_EQ(Wait("a").account->total(), 0U);
}

TEST_F(FairShareTest, YieldsToAnyHigherPriority) {
  Sequence& batch = Wait("a", 10, -1);
  Run(batch);
  EXPECT_TRUE(FairShare::MustYield(batch, Wait("a", 10, 0), 0));
  EXPECT_FALSE(FairShare::MustYield(batch, Wait("b", 10, -2), 0));
}

TEST_F(FairShareTest, YieldsToAnOwnerOnlyBeyondTheCostAndTheEqualNumberOfPlaces) {
  Sequence& running = Wait("heavy", 100);
  Run(running);
  Compute(running, 100);
  Sequence& waiting = Wait("light");
  ASSERT_FALSE(FairShare::MustYield(running, waiting, 0));
  while (running.account->served <= waiting.account->total() + 1024) {
    EXPECT_FALSE(FairShare::MustYield(running, waiting, 0));
    Compute(running, 1);
  }
  EXPECT_TRUE(FairShare::MustYield(running, waiting, 0));
  EXPECT_FALSE(FairShare::MustYield(running, waiting, 1)) << "its owner would have no place left";
  Run(waiting);
  EXPECT_FALSE(FairShare::MustYield(running, Wait("light"), 0)) << "one place each";
}

}  // namespace
}  // namespace mimo
