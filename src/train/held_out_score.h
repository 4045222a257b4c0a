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
  std::map<std::string, RightOfTotal> by_group;  // "one call", "two calls", "three calls", "refusal", "reply"
  std::map<std::string, RightOfTotal> by_language;   // requests with calls
  std::map<std::string, RightOfTotal> by_situation;  // the part before a parenthesis
};
Json HeldOutScoreToJson(const HeldOutScore& score);

struct HeldOutMiss {
  std::string situation;
  std::string user;
  std::vector<ToolCall> due;
  std::vector<ToolCall> made;
  std::string text;
};

struct HeldOutOptions {
  GeneratorOptions data;  // its part is set to kHeldOut
  uint64_t turns_max = 2000;
};

// Answers greedily. `on_progress` gets the turns done and may end the work by an error; `on_miss` every turn
// that is not exactly right.
Result<HeldOutScore> ScoreHeldOut(RolloutSampler& sampler, const HeldOutOptions& options,
                                  const std::function<Status(uint64_t turns_done)>& on_progress,
                                  const std::function<void(const HeldOutMiss& miss)>& on_miss);

}  // namespace mimo
