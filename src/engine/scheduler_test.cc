#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace mimo {
namespace {

constexpr uint32_t kBlock = kKvBlockTokens;

// Plays the engine: owns the sequences and appends a token wherever a step samples.
class SchedulerTest : public ::testing::Test {
 protected:
  Sequence& Add(Scheduler& scheduler, uint32_t prompt_tokens, std::string owner = "", int32_t priority = 0) {
    auto sequence = std::make_unique<Sequence>();
    sequence->id = sequences_.size();
    sequence->tokens.assign(prompt_tokens, 1);
    sequence->owner = std::move(owner);
    sequence->priority = priority;
    sequences_.push_back(std::move(sequence));
    scheduler.Enqueue(sequences_.back().get());
    return *sequences_.back();
  }

  // One step; the number of tokens per sequence, 0 for those that are not in it.
  std::vector<uint32_t> Step(Scheduler& scheduler, uint32_t prompt_tokens_max = UINT32_MAX) {
    scheduler.AdmitSequences();
    std::vector<uint32_t> num_tokens(sequences_.size());
    const auto step = scheduler.NextStep(prompt_tokens_max);
    for (const ScheduledChunk& chunk : step) {
      num_tokens[chunk.sequence->id] = chunk.num_tokens;
      EXPECT_GE(chunk.sequence->blocks.size(), KvBlocksFor(chunk.sequence->num_computed + chunk.num_tokens));
    }
    scheduler.CommitStep();
    for (const ScheduledChunk& chunk : step) {
      if (chunk.samples) chunk.sequence->tokens.push_back(1);
    }
    return num_tokens;
  }

  std::vector<std::unique_ptr<Sequence>> sequences_;
};

using Counts = std::vector<uint32_t>;

TEST_F(SchedulerTest, SplitsAPromptIntoChunksAndThenDecodes) {
  Scheduler scheduler(
      {.context_max = 1000, .sequences_max = 4, .tokens_per_step_max = 40, .num_blocks = 100});
  Add(scheduler, 90);
  EXPECT_EQ(Step(scheduler), Counts{40});
  EXPECT_EQ(Step(scheduler), Counts{40});
  EXPECT_EQ(Step(scheduler), Counts{10});
  EXPECT_EQ(Step(scheduler), Counts{1});
  EXPECT_EQ(Step(scheduler), Counts{1});
}

TEST_F(SchedulerTest, ServesDecodingSequencesFirstAndSharesTheRest) {
  Scheduler scheduler(
      {.context_max = 1000, .sequences_max = 4, .tokens_per_step_max = 41, .num_blocks = 100});
  Add(scheduler, 5);
  EXPECT_EQ(Step(scheduler), Counts{5});
  Add(scheduler, 300);
  Add(scheduler, 4);
  Add(scheduler, 300);
  // One for the decoding sequence; 40 left: 4 are enough for the short prompt, the long ones share 36.
  EXPECT_EQ(Step(scheduler), (Counts{1, 18, 4, 18}));
  EXPECT_EQ(Step(scheduler), (Counts{1, 20, 1, 19}));
}

TEST_F(SchedulerTest, GivesEveryRunningSequenceATokenFromTheSmallestBudget) {
  Scheduler scheduler({.context_max = 1000, .sequences_max = 3, .tokens_per_step_max = 3, .num_blocks = 100});
  for (int i = 0; i < 3; ++i) Add(scheduler, 10);
  EXPECT_EQ(Step(scheduler), (Counts{1, 1, 1}));
}

TEST_F(SchedulerTest, AdmitsInTheOrderOfArrivalWithoutOvertaking) {
  Scheduler scheduler(
      {.context_max = 4 * kBlock, .sequences_max = 8, .tokens_per_step_max = 500, .num_blocks = 4});
  Add(scheduler, kBlock);
  Add(scheduler, 4 * kBlock);  // needs the whole pool
  Add(scheduler, 1);           // would fit now
  Step(scheduler);
  EXPECT_EQ(scheduler.num_running(), 1U);
  EXPECT_EQ(scheduler.num_waiting(), 2U);
  scheduler.Remove(sequences_[0].get());
  Step(scheduler);
  EXPECT_TRUE(sequences_[1]->is_running);
  EXPECT_FALSE(sequences_[2]->is_running);
}

TEST_F(SchedulerTest, RunsNoMoreSequencesThanThereAreRings) {
  Scheduler scheduler({.context_max = 100, .sequences_max = 2, .tokens_per_step_max = 50, .num_blocks = 50});
  for (int i = 0; i < 3; ++i) Add(scheduler, 1);
  EXPECT_EQ(Step(scheduler), (Counts{1, 1, 0}));
  EXPECT_NE(sequences_[0]->ring.value, sequences_[1]->ring.value);
  const uint32_t freed = sequences_[0]->ring.value;
  scheduler.Remove(sequences_[0].get());
  EXPECT_EQ(Step(scheduler), (Counts{0, 1, 1}));
  EXPECT_EQ(sequences_[2]->ring.value, freed);
}

TEST_F(SchedulerTest, PreemptsTheYoungestWhenBlocksRunOut) {
  Scheduler scheduler(
      {.context_max = 4 * kBlock, .sequences_max = 4, .tokens_per_step_max = 500, .num_blocks = 4});
  Add(scheduler, kBlock - 1);
  Add(scheduler, kBlock - 1);
  Add(scheduler, 1);
  Step(scheduler);
  ASSERT_EQ(scheduler.num_running(), 2U);  // the third waits for a spare block per running sequence
  // Both run into their second block: the pool is used up, and after that the third blocks cannot both be
  // had.
  while (sequences_[1]->is_running) Step(scheduler);
  EXPECT_TRUE(sequences_[0]->is_running);
  EXPECT_EQ(sequences_[0]->blocks.size(), 3U);
  EXPECT_TRUE(sequences_[1]->blocks.empty());
  EXPECT_EQ(sequences_[1]->num_computed, 0U);

  // When the first one leaves, the preempted one comes back before the third and computes all of its tokens.
  scheduler.Remove(sequences_[0].get());
  const auto num_tokens = static_cast<uint32_t>(sequences_[1]->tokens.size());
  EXPECT_EQ(num_tokens, 2 * kBlock + 1);
  EXPECT_EQ(Step(scheduler), (Counts{0, num_tokens, 0}));
}

TEST_F(SchedulerTest, AdmitsOnlyWhenEveryRunningSequenceHasASpareBlock) {
  Scheduler scheduler(
      {.context_max = 3 * kBlock, .sequences_max = 2, .tokens_per_step_max = 500, .num_blocks = 4});
  Add(scheduler, 3 * kBlock - 1);
  Step(scheduler);
  Add(scheduler, 1);
  Step(scheduler);
  EXPECT_FALSE(sequences_[1]->is_running);
  EXPECT_EQ(scheduler.num_blocks_free(), 1U);
}

TEST_F(SchedulerTest, PreemptsTheSequenceThatGrowsWhenItIsTheYoungest) {
  Scheduler scheduler(
      {.context_max = 4 * kBlock, .sequences_max = 2, .tokens_per_step_max = 2, .num_blocks = 5});
  Add(scheduler, 3 * kBlock);  // a long prompt in small steps, which needs no further block meanwhile
  Add(scheduler, 1);
  Step(scheduler);
  ASSERT_TRUE(sequences_[1]->is_running);
  while (sequences_[1]->is_running) Step(scheduler);
  EXPECT_EQ(sequences_[1]->tokens.size(), 2 * kBlock + 1);
  EXPECT_TRUE(sequences_[0]->is_running);
  EXPECT_GT(sequences_[0]->num_pending(), 1U);
  EXPECT_EQ(scheduler.num_blocks_free(), 2U);
}

TEST_F(SchedulerTest, GivesEverythingBackWhenSequencesLeaveInAnyState) {
  Scheduler scheduler(
      {.context_max = 10 * kBlock, .sequences_max = 2, .tokens_per_step_max = 70, .num_blocks = 20});
  Add(scheduler, 1);           // decoding
  Add(scheduler, 5 * kBlock);  // in the middle of its prompt
  Add(scheduler, 1);           // waiting
  Step(scheduler);
  Step(scheduler);
  for (const size_t i : {1U, 2U, 0U}) scheduler.Remove(sequences_[i].get());
  EXPECT_EQ(scheduler.num_blocks_free(), 20U);
  EXPECT_EQ(scheduler.num_running() + scheduler.num_waiting(), 0U);
  EXPECT_TRUE(scheduler.NextStep().empty());
}

TEST_F(SchedulerTest, HoldsPromptsBackBesideDecodingSequencesOnly) {
  Scheduler scheduler(
      {.context_max = 1000, .sequences_max = 4, .tokens_per_step_max = 100, .num_blocks = 100});
  Add(scheduler, 5);
  EXPECT_EQ(Step(scheduler, 2), Counts{5});  // nobody waits for a next token yet
  Add(scheduler, 50);
  Add(scheduler, 50);
  EXPECT_EQ(Step(scheduler, 10), (Counts{1, 5, 5}));
  EXPECT_EQ(Step(scheduler, 1), (Counts{1, 1, 1}));  // but a token each
  EXPECT_EQ(Step(scheduler, 0), (Counts{1, 0, 0}));
}

TEST_F(SchedulerTest, SharesTheBudgetBetweenOwnersBeforeTheirSequences) {
  Scheduler scheduler(
      {.context_max = 1000, .sequences_max = 8, .tokens_per_step_max = 60, .num_blocks = 100});
  for (int i = 0; i < 3; ++i) Add(scheduler, 300, "heavy");
  Add(scheduler, 300, "light");
  EXPECT_EQ(Step(scheduler), (Counts{10, 10, 10, 30}));
  Add(scheduler, 6, "small");
  EXPECT_EQ(Step(scheduler), (Counts{9, 9, 9, 27, 6}));
}

TEST_F(SchedulerTest, GivesTheBudgetToTheHigherPriorityFirst) {
  Scheduler scheduler(
      {.context_max = 1000, .sequences_max = 8, .tokens_per_step_max = 50, .num_blocks = 100});
  Add(scheduler, 300, "a", -1);
  Add(scheduler, 70, "b", 0);
  EXPECT_EQ(Step(scheduler), (Counts{0, 50}));
  EXPECT_EQ(Step(scheduler), (Counts{30, 20}));
  EXPECT_EQ(Step(scheduler), (Counts{49, 1}));
}

TEST_F(SchedulerTest, AdmitsTheOwnerThatWasServedLeast) {
  Scheduler scheduler(
      {.context_max = 1000, .sequences_max = 1, .tokens_per_step_max = 50, .num_blocks = 100});
  for (int i = 0; i < 3; ++i) Add(scheduler, 20, "heavy");
  Add(scheduler, 20, "light");
  EXPECT_EQ(Step(scheduler), (Counts{20, 0, 0, 0}));
  scheduler.Remove(sequences_[0].get());
  EXPECT_EQ(Step(scheduler), (Counts{0, 0, 0, 20}));  // before the others, which came earlier
  scheduler.Remove(sequences_[3].get());
  EXPECT_EQ(Step(scheduler), (Counts{0, 20, 0, 0}));
}

TEST_F(SchedulerTest, AdmitsTheHigherPriorityFirstAndPreemptsForIt) {
  Scheduler scheduler(
      {.context_max = 1000, .sequences_max = 2, .tokens_per_step_max = 50, .num_blocks = 100});
  Add(scheduler, 10, "a", -1);
  Add(scheduler, 10, "a", -1);
  Step(scheduler);
  Step(scheduler);
  Add(scheduler, 10, "b", 0);
  EXPECT_EQ(Step(scheduler), (Counts{1, 0, 10}));
  EXPECT_EQ(sequences_[1]->tokens.size(), 12U);  // keeps what it generated
  Add(scheduler, 10, "b", -2);                   // waits behind the preempted one
  scheduler.Remove(sequences_[2].get());
  EXPECT_EQ(Step(scheduler), (Counts{1, 12, 0, 0}));
  EXPECT_EQ(scheduler.num_preemptions(), 1U);
}

TEST_F(SchedulerTest, PreemptsNobodyWhenThatWouldNotBeEnough) {
  Scheduler scheduler(
      {.context_max = 4 * kBlock, .sequences_max = 3, .tokens_per_step_max = 500, .num_blocks = 4});
  Add(scheduler, 2 * kBlock - 1, "a", 0);
  Step(scheduler);
  Add(scheduler, 1, "b", -1);
  Step(scheduler);
  ASSERT_TRUE(sequences_[1]->is_running);
  Add(scheduler, 3 * kBlock, "a", 0);  // needs what the first one holds, which is its equal
  EXPECT_EQ(Step(scheduler), (Counts{1, 1, 0}));
}

// One place for two owners. The one that holds it gives it up once the other is behind by what that costs.
TEST_F(SchedulerTest, LetsOwnersTakeTurnsAtAPlaceThatCannotBeShared) {
  Scheduler scheduler(
      {.context_max = 100'000, .sequences_max = 1, .tokens_per_step_max = 64, .num_blocks = 1600});
  Add(scheduler, 10, "first");
  Step(scheduler);
  Add(scheduler, 10, "second");
  uint32_t num_steps = 0;
  while (sequences_[0]->is_running && num_steps < 10'000) {
    Step(scheduler);
    ++num_steps;
  }
  EXPECT_GT(num_steps, 400U);
  EXPECT_LT(num_steps, 2000U);
  for (int i = 0; i < 60'000; ++i) Step(scheduler);
  const auto first = static_cast<double>(sequences_[0]->tokens.size());
  const auto second = static_cast<double>(sequences_[1]->tokens.size());
  EXPECT_GT(first / second, 0.5);
  EXPECT_LT(first / second, 2.0);
  EXPECT_LT(scheduler.num_preemptions(), 20U);  // the longer they are, the rarer
  EXPECT_GT(scheduler.num_preemptions(), 3U);
}

TEST_F(SchedulerTest, DividesPlacesEquallyWhenAnOwnerComesLate) {
  Scheduler scheduler(
      {.context_max = 10'000, .sequences_max = 8, .tokens_per_step_max = 64, .num_blocks = 2000});
  for (int i = 0; i < 12; ++i) Add(scheduler, 10, "heavy");
  for (int i = 0; i < 20; ++i) Step(scheduler);
  for (int i = 0; i < 12; ++i) Add(scheduler, 10, "light");
  for (int i = 0; i < 1000; ++i) Step(scheduler);
  uint32_t num_light = 0;
  for (const Sequence* sequence : scheduler.running()) num_light += sequence->owner == "light" ? 1 : 0;
  EXPECT_EQ(num_light, 4U);
  EXPECT_LE(scheduler.num_preemptions(), 8U);
}

}  // namespace
}  // namespace mimo
