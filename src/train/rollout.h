#pragma once
// What a model answers to the generator's requests, and how good that is by the rules that the generator
// knows.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "data/conversation.h"
#include "text/tokenizer.h"

namespace mimo {

// One request: everything before it is given, the model answers once.
struct RolloutTask {
  std::vector<TokenId> prompt;
  std::vector<ToolDefinition> tools;
  ConversationTurn turn;  // what was asked and what is right
  std::string language;
  Home home;  // as it is when the user asks
  std::string speaker_area;
};

// One task per turn of the conversation.
Result<std::vector<RolloutTask>> RolloutTasks(const Conversation& conversation, const Tokenizer& tokenizer);

struct Rollout {
  std::vector<TokenId> tokens;  // the end of the turn included
  std::vector<float> logprobs;  // [tokens] of the model that sampled, at temperature 1
  std::vector<ToolCall> calls;  // as parsed from the text
  std::string text;             // beside the calls
  double reward = 0;            // RolloutReward
};

// 1 where the calls are exactly those that were due, in any order, with equal arguments (numbers as numbers,
// text without regard to case and outer blanks); for a turn without calls, where none is made and something
// is said. Else 0.
double RolloutReward(const ConversationTurn& turn, const Rollout& rollout);

struct RolloutOptions {
  float temperature = 1.0F;  // 0: greedy
  uint32_t tokens_max = 160;
  uint32_t num_threads = 1;
  uint64_t seed = 1;
};

// Samples with the program's own engine. Not thread-safe.
class RolloutSampler {
 public:
  // Loads the checkpoint folder; `folder` may change afterwards.
  static Result<RolloutSampler> Open(const std::string& folder, const RolloutOptions& options);
  ~RolloutSampler();
  RolloutSampler(RolloutSampler&&) noexcept;

  const Tokenizer& tokenizer() const;

  // `per_task` answers to each task, in order. Equal seeds give equal answers, whatever else is in the call.
  Result<std::vector<Rollout>> Sample(std::span<const RolloutTask> tasks, uint32_t per_task);

 private:
  struct Impl;
  explicit RolloutSampler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimo
