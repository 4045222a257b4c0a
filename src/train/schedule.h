#pragma once
// Learning rate over the steps of a run: warm up, stay, decay (WSD).
//
//   factor
//     1 |    ________________
//       |   /                \        the decay ends at `final_fraction`
//       |  /                  \__
//       +--|-----------------|---|--> step
//          warmup_steps  decay_start total_steps
//
// WSD rather than a cosine, because its stable part does not depend on the length of the run: a run with a
// time budget decides only when to begin the decay.

#include <cstdint>

namespace mimo {

// From 1 to 0 over the decay, as a function of its passed share.
enum class DecayShape : uint8_t {
  kLinear,        // 1 - x
  kOneMinusSqrt,  // 1 - sqrt(x): falls fast at first
};

struct ScheduleOptions {
  double learning_rate = 1e-3;  // at the top
  uint64_t warmup_steps = 100;  // at most a tenth of a run whose number of steps is known
  double decay_share = 0.25;    // of the run, at its end
  uint64_t decay_steps = 0;     // 0 = by decay_share
  double final_fraction = 0.0;  // of learning_rate, at the end
  DecayShape shape = DecayShape::kOneMinusSqrt;
  // One of the two budgets; the other is 0.
  uint64_t num_steps = 0;
  double minutes = 0;
};

// What a run with a time budget finds out on its way. Part of the training state: with it a resumed run
// follows the same curve.
struct SchedulePlan {
  uint64_t decay_start = 0;
  uint64_t total_steps = 0;  // 0 = not decided yet

  bool operator==(const SchedulePlan&) const = default;
};

// Value type; not thread-safe.
class Schedule {
 public:
  // Requires: exactly one budget is set.
  explicit Schedule(const ScheduleOptions& options);

  // Of step `step`, counted from 0.
  double LearningRate(uint64_t step) const;

  // With a time budget: decides the plan once the time for the decay has come. Only the first process of a
  // group calls it; the others get the plan from it. Requires: steps_done > 0.
  void ObserveTime(uint64_t steps_done, double elapsed_seconds);

  void SetPlan(const SchedulePlan& plan) { plan_ = plan; }
  const SchedulePlan& plan() const { return plan_; }
  bool Finished(uint64_t steps_done) const {
    return plan_.total_steps > 0 && steps_done >= plan_.total_steps;
  }

 private:
  ScheduleOptions options_;
  SchedulePlan plan_;
};

}  // namespace mimo
