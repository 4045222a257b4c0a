#include "kernels/router.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace mimo {

void SelectExperts(std::span<float> logits, std::span<const float> bias, const RouterOptions& options,
                   std::span<uint32_t> chosen, std::span<float> weights) {
  MIMO_DCHECK(options.num_experts_per_tok <= logits.size());
  for (float& value : logits) value = 1.0F / (1.0F + std::exp(-value));
  const auto choice_score = [&](uint32_t expert) {
    const float score = logits[expert] + bias[expert];
    // A NaN must not break the order below; such an expert comes last.
    return std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
  };
  // Insertion into a short sorted list: k is 8, and most experts fail the first comparison.
  uint32_t count = 0;
  for (uint32_t expert = 0; expert < logits.size(); ++expert) {
    const float score = choice_score(expert);
    if (count == options.num_experts_per_tok && score <= choice_score(chosen[count - 1])) continue;
    uint32_t at = count < options.num_experts_per_tok ? count++ : count - 1;
    for (; at > 0 && choice_score(chosen[at - 1]) < score; --at) chosen[at] = chosen[at - 1];
    chosen[at] = expert;
  }
  std::sort(chosen.begin(), chosen.begin() + count);
  float sum = 0;
  for (uint32_t i = 0; i < count; ++i) sum += weights[i] = logits[chosen[i]];
  const float denominator = options.norm_topk_prob ? sum + 1e-20F : 1.0F;
  for (uint32_t i = 0; i < count; ++i) weights[i] = weights[i] / denominator * options.routed_scaling_factor;
}

}  // namespace mimo
