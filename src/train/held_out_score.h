#pragma once
// How a model does on combinations of requests and values that its training never had.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "data/generator.h"
#include "train/rollout.h"

namespace mimo {

struct RightOfTotal {
  uint64_t right = 0;
  uint64_t total = 0;
};

struct HeldOutScore {
  // "one call", "two calls", "three calls", "reply"; "refusal": no call at all, and "refusal, nothing done":
  // none that changes the home.
  std::map<std::string, RightOfTotal> by_group;
  std::map<std::string, RightOfTotal> by_language;   // requests with calls
  std::map<std::string, RightOfTotal> by_situation;  // the part before a parenthesis
};
Json HeldOutScoreToJson(const HeldOutScore& score);

struct HeldOutOptions {
  GeneratorOptions data;  // its part is set to kHeldOut
  uint64_t turns_max = 2000;
};

// Hears of every answer; an error ends the work.
using HeldOutListener = std::function<Status(const RolloutTask& task, const Rollout& rollout)>;

// Answers greedily. Right is what has the reward 1. `on_progress` gets the turns done and may end the work by
// an error, too.
Result<HeldOutScore> ScoreHeldOut(RolloutSampler& sampler, const HeldOutOptions& options,
                                  const std::function<Status(uint64_t turns_done)>& on_progress,
                                  const HeldOutListener& on_answer);

}  // namespace mimo
