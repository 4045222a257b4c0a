#pragma once
// Choice of experts, noaux_tc ("no auxiliary loss, top-k by corrected score").

#include <cstdint>
#include <span>

namespace mimo {

struct RouterOptions {
  uint32_t num_experts_per_tok = 0;
  bool norm_topk_prob = true;
  float routed_scaling_factor = 1.0F;
};

// For one token:
//   s = sigmoid(logits); the experts with the largest s + bias are chosen (ties: the lower index);
//   weight = s / (sum of the chosen s + 1e-20) * routed_scaling_factor   (without the division if
//   !norm_topk_prob)
//
//   logits   [experts]              float32, overwritten by the scores
//   bias     [experts]              e_score_correction_bias, takes part in the choice only
//   chosen   [num_experts_per_tok]  ascending expert index
//   weights  [num_experts_per_tok]  of the chosen, in the same order
//
// Requires: 1 <= num_experts_per_tok <= experts. Source: DeepSeek-V3 technical report (arXiv 2412.19437),
// section 2.1.2; MiMo uses one group, so that the group step falls away.
void SelectExperts(std::span<float> logits, std::span<const float> bias, const RouterOptions& options,
                   std::span<uint32_t> chosen, std::span<float> weights);

}  // namespace mimo
