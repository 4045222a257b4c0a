#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "data/generator.h"
#include "train/distill_loss.h"
#include "train/optimizer.h"

namespace mimo {

struct DistillOptions {
  std::string student;  // folder of a checkpoint; the result has its config, tokenizer and MTP heads
  std::string teacher;  // folder of a checkpoint with the same tokenizer; empty: the rules alone
  std::string out;      // folder of the result; holds the student under training at every sync
  GeneratorOptions data;
  uint32_t tasks_per_step = 32;
  uint32_t answers_per_task = 4;  // the group in which rewards are compared
  uint64_t num_steps = 100;
  uint64_t steps_per_sync = 1;  // how old the student that samples may be
  double learning_rate = 1e-4;
  RolloutOptions rollout;
  DistillLossOptions loss;
  OptimizerOptions optimizer = {.weight_decay = 0};
};

struct DistillRecord {
  uint64_t step = 0;
  double reward = 0;      // mean over the answers
  double reverse_kl = 0;  // per token, student from teacher
  double importance_inside = 0;
  double grad_norm = 0;
  int64_t num_tokens = 0;
};
Json DistillRecordToJson(const DistillRecord& record);

// Trains and writes the result to options.out. `on_step` may end the run early by an error; what was learned
// up to the last sync then stands in options.out. kInvalidArgument where teacher and student have different
// vocabularies.
Status Distill(const DistillOptions& options,
               const std::function<Status(const DistillRecord& record)>& on_step);

}  // namespace mimo
