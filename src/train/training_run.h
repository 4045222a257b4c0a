#pragma once
// The loop of a training run, the same for every command:
//
//   for each step:  rows -> forward, backward (in pieces) -> sum over processes -> clip -> optimizer
//   now and then:   loss on held-out data, checkpoint, plot
//
// What is trained is the task's matter: the trunk (pretrain, sft) or the MTP heads on it (mtp).

#include <torch/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "train/batcher.h"
#include "train/network.h"
#include "train/optimizer.h"
#include "train/process_group.h"
#include "train/schedule.h"

namespace mimo {

struct TrainingTask {
  std::vector<NetworkParameter> parameters;  // gradients are taken for these only
  torch::Device device = torch::kCPU;        // where they are
  std::function<LossResult(const PackedBatch&)> loss;
  // With the loads of the whole step, over all processes. Empty: LossResult has no loads.
  std::function<void(const torch::Tensor& expert_loads)> after_step;
  std::vector<int64_t> expert_loads_shape;  // [sparse layers, experts], with after_step
  // The model as a checkpoint folder, and back.
  std::function<Status(const std::string& folder)> save;
  std::function<Status(const std::string& folder)> load;
};

struct TrainingData {
  Batcher* training = nullptr;  // not owned
  Batcher* held_out = nullptr;  // not owned; null: no evaluation
};

struct TrainingRunOptions {
  std::string out;  // folder; made
  ScheduleOptions schedule;
  OptimizerOptions optimizer;
  uint32_t sequences_per_step = 8;     // over all processes, which share them evenly
  uint32_t sequences_per_forward = 4;  // of one process: bounds the memory
  double grad_norm_max = 1.0;
  uint64_t evaluate_every = 100;      // steps
  uint32_t evaluated_sequences = 64;  // of the held-out data, at most
  uint64_t checkpoint_every = 500;    // steps
  size_t checkpoints_kept = 2;
  bool resume = false;  // from the newest checkpoint, if there is one
  // What must be as it was for a run to be resumed (an object); also the head of the log.
  Json fixed_options = Json::object();
  const std::atomic<bool>* interrupted = nullptr;  // when it becomes true: a checkpoint, then the end
};

struct TrainingSummary {
  uint64_t steps = 0;
  uint64_t tokens = 0;
  double elapsed_seconds = 0;
  double loss = 0;                      // of the last step
  std::optional<double> held_out_loss;  // after the last step
  bool finished = false;                // false: interrupted, to be resumed
};

// Writes into options.out: log.jsonl, run.svg, checkpoint-<steps>/ and, at the end, model/. Every process of
// the group calls it with the same arguments; the first one writes. Resumed, it repeats what the
// uninterrupted run would have done, to the last bit (on the CPU, with as many processes and threads).
// kInvalidArgument where `out` has checkpoints and resume is false.
Result<TrainingSummary> RunTraining(const TrainingTask& task, const TrainingData& data, ProcessGroup& group,
                                    const TrainingRunOptions& options);

}  // namespace mimo
