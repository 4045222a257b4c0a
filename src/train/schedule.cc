#include "train/schedule.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace mimo {
namespace {

// A decay is planned to end a little early: evaluation and the last checkpoint need time too.
constexpr double kTimeMargin = 0.97;
constexpr double kSecondsPerMinute = 60.0;

}  // namespace

Schedule::Schedule(const ScheduleOptions& options) : options_(options) {
  MIMO_CHECK((options.num_steps > 0) != (options.minutes > 0));
  if (options.num_steps == 0) return;
  uint64_t decay_steps = options.decay_steps;
  if (decay_steps == 0) {
    decay_steps =
        static_cast<uint64_t>(std::llround(options.decay_share * static_cast<double>(options.num_steps)));
  }
  plan_.total_steps = options.num_steps;
  plan_.decay_start = options.num_steps - std::min(decay_steps, options.num_steps);
  options_.warmup_steps = std::min(options.warmup_steps, options.num_steps / 10);
}

double Schedule::LearningRate(uint64_t step) const {
  double factor = 1.0;
  if (step < options_.warmup_steps) {
    factor = static_cast<double>(step + 1) / static_cast<double>(options_.warmup_steps);
  }
  if (plan_.total_steps > 0 && step >= plan_.decay_start) {
    const uint64_t decay_steps = std::max<uint64_t>(plan_.total_steps - plan_.decay_start, 1);
    const double passed =
        std::min(1.0, static_cast<double>(step - plan_.decay_start + 1) / static_cast<double>(decay_steps));
    const double height = options_.shape == DecayShape::kLinear ? 1.0 - passed : 1.0 - std::sqrt(passed);
    factor = std::min(factor, options_.final_fraction + (1.0 - options_.final_fraction) * height);
  }
  return options_.learning_rate * factor;
}

void Schedule::ObserveTime(uint64_t steps_done, double elapsed_seconds) {
  if (plan_.total_steps > 0) return;
  const double budget = options_.minutes * kSecondsPerMinute;
  if (elapsed_seconds < (1.0 - options_.decay_share) * budget) return;
  const double steps_per_second = static_cast<double>(steps_done) / std::max(elapsed_seconds, 1e-9);
  const double remaining = std::max(budget - elapsed_seconds, 0.0) * kTimeMargin;
  plan_.decay_start = steps_done;
  plan_.total_steps = steps_done + std::max<uint64_t>(1, static_cast<uint64_t>(remaining * steps_per_second));
}

}  // namespace mimo
