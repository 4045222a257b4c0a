#pragma once
// The run that pretrain, sft and mtp have in common.

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "apps/train/training_flags.h"
#include "base/status.h"
#include "train/training_run.h"

namespace mimo {

struct PreparedTask {
  TrainingTask task;
  uint32_t vocab_size = 0;
  int64_t num_parameters = 0;
};
// Builds or loads what is to be trained, on `device`.
using PrepareTask = std::function<Result<PreparedTask>(torch::Device device)>;

// Trains in this process, or in --processes workers; prints the summary.
Status TrainByFlags(const TrainingFlags& flags, const PrepareTask& prepare);

}  // namespace mimo
