#include "engine/step_pacer.h"

#include <algorithm>
#include <limits>

namespace mimo {
namespace {

// Half of what is known comes from the last seven steps: quick enough for a context that grows or a machine
// that slows down, slow enough not to follow a single hiccup.
constexpr double kNewShare = 0.1;

// One step in so many is without prompts when there would be none of its own accord.
constexpr uint32_t kMixedStepsMax = 64;

void Blend(double& average, double value) {
  average = average == 0 ? value : average + kNewShare * (value - average);
}

}  // namespace

StepPacer::StepPacer(const StepPacerOptions& options, uint32_t sequences_max)
    : options_(options), decode_seconds_(sequences_max + 1) {}

// The nearest number of sequences that was seen, the smaller one first: it asks for shorter steps.
double StepPacer::DecodeTime(uint32_t num_decoding) const {
  for (uint32_t n = num_decoding; n > 0; --n) {
    if (decode_seconds_[n] > 0) return decode_seconds_[n];
  }
  for (size_t n = num_decoding; n < decode_seconds_.size(); ++n) {
    if (decode_seconds_[n] > 0) return decode_seconds_[n];
  }
  return 0;
}

void StepPacer::OnStep(const Step& step, std::chrono::duration<double> time) {
  if (step.num_decoding == 0) return;  // nobody waited for it
  const double seconds = time.count();
  num_mixed_steps_ = step.num_prompt_tokens == 0 ? 0 : num_mixed_steps_ + 1;
  if (step.num_prompt_tokens == 0) {
    Blend(decode_seconds_[step.num_decoding], seconds);
    return;
  }
  const double decode_seconds = DecodeTime(step.num_decoding);
  if (decode_seconds == 0) return;
  // A step that took less than expected says that prompts are cheap, not that they are free.
  const double rest = std::max(seconds - decode_seconds, 0.05 * seconds);
  Blend(seconds_per_prompt_token_, rest / step.num_prompt_tokens);
}

uint32_t StepPacer::PromptTokensMax(uint32_t num_decoding, uint32_t num_prompts) const {
  if (options_.stretch_max == 0 || num_decoding == 0) return std::numeric_limits<uint32_t>::max();
  const double decode_seconds = DecodeTime(num_decoding);
  if (decode_seconds == 0 || num_mixed_steps_ >= kMixedStepsMax) return 0;
  if (seconds_per_prompt_token_ == 0) return options_.prompt_tokens_min;
  const double stretch = std::max(options_.stretch_max - 1, static_cast<double>(num_prompts) / num_decoding);
  const double tokens = stretch * decode_seconds / seconds_per_prompt_token_;
  return std::max(options_.prompt_tokens_min, static_cast<uint32_t>(std::min(tokens, 1e9)));
}

}  // namespace mimo
