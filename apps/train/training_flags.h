#pragma once
// What pretrain, sft and mtp have in common: the flags of a training run, and the run itself.

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/status.h"
#include "train/mtp_heads.h"
#include "train/network.h"
#include "train/network_checkpoint.h"
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

struct PreparedTask {
  TrainingTask task;
  uint32_t vocab_size = 0;
  int64_t num_parameters = 0;
};
// Builds or loads what is to be trained, on `device`.
using PrepareTask = std::function<Result<PreparedTask>(torch::Device device)>;

// Trains in this process, or in --processes workers; prints the summary.
Status TrainByFlags(const TrainingFlags& flags, const PrepareTask& prepare);

// The folder of a --tokenizer that names tokenizer.json or the folder itself. kNotFound when there is none.
Result<std::string> TokenizerFolder(const std::string& path);

// What trains all of `network`; `heads`, if any, are saved with it as they are. Copies of both share their
// parameters.
PreparedTask TrunkTask(Network network, std::optional<MtpHeads> heads, const SaveNetworkOptions& save,
                       torch::Device device);

}  // namespace mimo
