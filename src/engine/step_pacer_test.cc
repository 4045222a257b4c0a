#include "engine/step_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace mimo {
namespace {

using Seconds = std::chrono::duration<double>;

// A machine on which a step takes what its parts take.
struct Machine {
  double decode_base = 0.010;
  double per_decoding = 0.001;
  double per_prompt_token = 0.0004;

  Seconds TimeOf(const StepPacer::Step& step) const {
    return Seconds(decode_base + per_decoding * step.num_decoding +
                   per_prompt_token * step.num_prompt_tokens);
  }
};

void Decode(StepPacer& pacer, const Machine& machine, uint32_t num_decoding, int num_steps = 30) {
  for (int i = 0; i < num_steps; ++i) {
    const StepPacer::Step step{.num_decoding = num_decoding, .num_prompt_tokens = 0};
    pacer.OnStep(step, machine.TimeOf(step));
  }
}

// A long prompt beside decoding sequences; the time of the last step.
double DecodeBesideAPrompt(StepPacer& pacer, const Machine& machine, uint32_t num_decoding,
                           int num_steps = 60) {
  Seconds time{0};
  for (int i = 0; i < num_steps; ++i) {
    const StepPacer::Step step{.num_decoding = num_decoding,
                               .num_prompt_tokens = std::min(512U, pacer.PromptTokensMax(num_decoding, 1))};
    time = machine.TimeOf(step);
    pacer.OnStep(step, time);
  }
  return time.count();
}

TEST(StepPacer, StretchesAStepByTheFactorAndUsesAllOfIt) {
  StepPacer pacer({.stretch_max = 2, .prompt_tokens_min = 16}, 8);
  const Machine machine;
  Decode(pacer, machine, 4);
  EXPECT_NEAR(DecodeBesideAPrompt(pacer, machine, 4), 2 * 0.014, 0.001);
}

TEST(StepPacer, FollowsAMachineThatBecomesSlower) {
  StepPacer pacer({.stretch_max = 2, .prompt_tokens_min = 4}, 8);
  Machine machine;
  Decode(pacer, machine, 4);
  DecodeBesideAPrompt(pacer, machine, 4);
  machine.per_prompt_token *= 3;
  EXPECT_NEAR(DecodeBesideAPrompt(pacer, machine, 4), 2 * 0.014, 0.002);
}

TEST(StepPacer, GivesALittleAtLeast) {
  StepPacer pacer({.stretch_max = 2, .prompt_tokens_min = 16}, 8);
  Machine machine;
  machine.per_prompt_token = 0.010;
  Decode(pacer, machine, 4);
  EXPECT_EQ(pacer.PromptTokensMax(4, 1), 16U) << "nothing is known of prompts yet";
  DecodeBesideAPrompt(pacer, machine, 4);
  EXPECT_EQ(pacer.PromptTokensMax(4, 1), 16U);
}

TEST(StepPacer, LooksAtDecodingAloneBeforeAndFromTimeToTimeBesidePrompts) {
  StepPacer pacer({.stretch_max = 2, .prompt_tokens_min = 16}, 8);
  EXPECT_EQ(pacer.PromptTokensMax(3, 1), 0U) << "nothing is known yet";
  const Machine machine;
  Decode(pacer, machine, 3, 1);
  DecodeBesideAPrompt(pacer, machine, 3, 64);
  EXPECT_EQ(pacer.PromptTokensMax(3, 1), 0U);
  Decode(pacer, machine, 3, 1);
  EXPECT_GE(pacer.PromptTokensMax(3, 1), 16U);
}

TEST(StepPacer, TakesTheNearestNumberOfSequencesItKnows) {
  StepPacer pacer({.stretch_max = 2, .prompt_tokens_min = 1}, 8);
  const Machine machine;
  Decode(pacer, machine, 2);
  DecodeBesideAPrompt(pacer, machine, 2);
  const uint32_t known = pacer.PromptTokensMax(2, 1);
  EXPECT_EQ(pacer.PromptTokensMax(8, 1), known);
  EXPECT_EQ(pacer.PromptTokensMax(1, 1), known);
}

TEST(StepPacer, GivesManyPromptsMoreTimeThanFewDecodingSequences) {
  StepPacer pacer({.stretch_max = 2, .prompt_tokens_min = 1}, 8);
  const Machine machine;
  Decode(pacer, machine, 2);
  DecodeBesideAPrompt(pacer, machine, 2);
  EXPECT_EQ(pacer.PromptTokensMax(2, 2), pacer.PromptTokensMax(2, 1)) << "half of the time at least";
  EXPECT_NEAR(pacer.PromptTokensMax(2, 6), 3.0 * pacer.PromptTokensMax(2, 1), 3);
}

TEST(StepPacer, HasNoLimitWhenSwitchedOff) {
  StepPacer pacer({.stretch_max = 0, .prompt_tokens_min = 16}, 8);
  const Machine machine;
  Decode(pacer, machine, 4);
  EXPECT_GT(pacer.PromptTokensMax(4, 1), 1'000'000U);
}

}  // namespace
}  // namespace mimo
