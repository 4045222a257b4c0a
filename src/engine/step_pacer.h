#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace mimo {

struct StepPacerOptions {
  // How much longer a step may take than one that only decodes, so that a prompt does not hold up the tokens
  // of others. At 2 a long prompt beside running requests gets half of the time, and they run at half speed.
  // 0: without limit.
  double stretch_max = 0;
  // Fewer would read the weights for next to nothing.
  uint32_t prompt_tokens_min = 16;
};

// Learns how long steps take and says how many tokens of prompts may join one. Tokens do not depend on it,
// only their timing. Not thread-safe.
class StepPacer {
 public:
  StepPacer(const StepPacerOptions& options, uint32_t sequences_max);

  struct Step {
    uint32_t num_decoding = 0;
    uint32_t num_prompt_tokens = 0;
  };
  void OnStep(const Step& step, std::chrono::duration<double> time);

  // 0: a step without prompts, to see what decoding alone takes, which is not known otherwise while prompts
  // come without a pause. Else, for a step that decodes `num_decoding` sequences while `num_prompts` are
  // being computed; at least prompt_tokens_min. More prompts than decoding sequences get more of the time: a
  // single request must not hold up fifteen others for its own even pace.
  uint32_t PromptTokensMax(uint32_t num_decoding, uint32_t num_prompts) const;

 private:
  double DecodeTime(uint32_t num_decoding) const;

  const StepPacerOptions options_;
  std::vector<double> decode_seconds_;  // by number of decoding sequences; 0 = never seen
  double seconds_per_prompt_token_ = 0;
  uint32_t num_mixed_steps_ = 0;  // since the last one that only decoded
};

}  // namespace mimo
