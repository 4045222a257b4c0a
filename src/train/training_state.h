#pragma once
// Checkpoints of a training run: folders checkpoint-<steps> that appear whole or not at all.
//
//   config.json, model.safetensors, tokenizer files   the model, as the engine loads it
//   training_state.json                               progress, and the options that must not change
//   training_state.pt                                 the optimizer's moments: torch.load reads them
//
// The weights stand in the model's files in float32, and nothing in a step is random but what follows from
// the seed, so this is all that a resumed run needs to repeat the uninterrupted one bit for bit.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace mimo {

struct TrainingProgress {
  uint64_t steps = 0;
  uint64_t tokens = 0;         // without padding
  double elapsed_seconds = 0;  // of training, over all starts
  SchedulePlan plan;
};

// Writes the two files of the state into `folder`. `fixed_options` is an object of values that a resumed run
// must have too.
Status SaveTrainingState(const std::string& folder, const Optimizer& optimizer,
                         const TrainingProgress& progress, const Json& fixed_options);

// Reads them back, overwriting the moments. kInvalidArgument names an option that differs, kDataLoss a file
// that is not as it was written.
Result<TrainingProgress> LoadTrainingState(const std::string& folder, const Json& fixed_options,
                                           Optimizer& optimizer);

// Fills a folder under another name by `write`, brings it to the disk, and renames it to `folder`, which it
// replaces.
Status WriteFolderAtomically(const std::string& folder,
                             const std::function<Status(const std::string&)>& write);

std::string CheckpointFolder(const std::string& out, uint64_t steps);
// The one with the most steps.
std::optional<std::string> NewestCheckpoint(const std::string& out);
// Removes all but the newest `count`, and what an interrupted write left.
void RemoveOldCheckpoints(const std::string& out, size_t count);

}  // namespace mimo
