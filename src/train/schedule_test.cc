#include "train/schedule.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

ScheduleOptions HundredSteps() {
  return {.learning_rate = 2.0, .warmup_steps = 10, .decay_share = 0.2, .num_steps = 100};
}

TEST(Schedule, WarmsUpStaysAndDecaysToTheFinalFraction) {
  ScheduleOptions options = HundredSteps();
  options.final_fraction = 0.1;
  const Schedule schedule(options);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(0), 0.2);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(9), 2.0);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(79), 2.0);
  EXPECT_LT(schedule.LearningRate(80), 2.0);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(99), 0.2);
}

TEST(Schedule, DecaysLinearlyWhenAsked) {
  ScheduleOptions options = HundredSteps();
  options.shape = DecayShape::kLinear;
  const Schedule schedule(options);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(89), 1.0);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(99), 0.0);
}

TEST(Schedule, NeverRisesDuringTheDecay) {
  const Schedule schedule(HundredSteps());
  for (uint64_t step = 80; step < 100; ++step) {
    EXPECT_LE(schedule.LearningRate(step), schedule.LearningRate(step - 1)) << step;
  }
}

TEST(Schedule, ShortensTheWarmUpOfAShortRun) {
  const Schedule schedule({.learning_rate = 1.0, .warmup_steps = 100, .num_steps = 20});
  EXPECT_DOUBLE_EQ(schedule.LearningRate(1), 1.0);
}

TEST(Schedule, EndsATimedRunInTimeAtItsMeasuredSpeed) {
  Schedule schedule({.learning_rate = 1.0, .warmup_steps = 0, .decay_share = 0.25, .minutes = 1});
  constexpr double kSecondsPerStep = 0.5;
  uint64_t step = 0;
  while (!schedule.Finished(step) && step < 1000) {
    ++step;
    schedule.ObserveTime(step, kSecondsPerStep * static_cast<double>(step));
  }
  EXPECT_EQ(schedule.plan().decay_start, 90U);
  EXPECT_LE(kSecondsPerStep * static_cast<double>(step), 60.0);
  EXPECT_GT(kSecondsPerStep * static_cast<double>(step), 57.0);
}

TEST(Schedule, RepeatsATimedRunFromItsPlan) {
  const Schedule timed = [] {
    Schedule schedule({.learning_rate = 1.0, .warmup_steps = 5, .minutes = 1});
    schedule.ObserveTime(300, 50);
    return schedule;
  }();
  const Schedule counted({.learning_rate = 1.0,
                          .warmup_steps = 5,
                          .decay_steps = timed.plan().total_steps - timed.plan().decay_start,
                          .num_steps = timed.plan().total_steps});
  for (uint64_t step = 0; step < timed.plan().total_steps; ++step) {
    ASSERT_EQ(timed.LearningRate(step), counted.LearningRate(step)) << step;
  }
}

}  // namespace
}  // namespace mimo
