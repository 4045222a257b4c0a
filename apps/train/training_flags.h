#pragma once
// The flags that pretrain, sft and mtp have in common: those of a training run.

#include <cstdint>
#include <string>

#include "base/status.h"
#include "train/training_run.h"

namespace CLI {
class App;
}

namespace mimo {

struct TrainingFlags {
  std::string command = {};
  std::string data = {};
  std::string held_out = {};
  std::string out = {};
  uint64_t seed = 1;
  uint32_t batch_tokens = 16384;
  uint32_t forward_tokens = 4096;
  uint32_t length = 1024;
  uint64_t num_steps = 0;
  double minutes = 0;
  double learning_rate = 0;
  uint64_t warmup_steps = 100;
  double decay_share = 0.25;
  uint64_t decay_steps = 0;
  double final_fraction = 0;
  std::string decay_shape = "one-minus-sqrt";
  std::string optimizer = "muon";
  double weight_decay = 0.1;
  std::string targets = {};  // all or own
  uint64_t evaluate_every = 100;
  uint32_t evaluated_sequences = 64;
  uint64_t checkpoint_every = 500;
  int processes = 1;
  std::string device = "auto";
  bool resume = false;
  bool json = false;
};

// Adds every flag to `command`. What is in `flags` already becomes the default.
void AddTrainingFlags(CLI::App& command, TrainingFlags* flags);

// What the flags ask of the run; `data_hash` is of the dataset's content, which a resumed run must share.
// kInvalidArgument when no length of the run is given.
Result<TrainingRunOptions> ToRunOptions(const TrainingFlags& flags, const std::string& data_hash);

}  // namespace mimo
