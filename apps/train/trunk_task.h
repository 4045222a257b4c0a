#pragma once
// What pretrain, sft and mtp share in preparing their tasks: the tokenizer, and the task in which every
// weight of the trunk learns.

#include <torch/types.h>

#include <optional>
#include <string>

#include "apps/train/train_by_flags.h"
#include "base/status.h"
#include "train/mtp_heads.h"
#include "train/network.h"
#include "train/network_checkpoint.h"

namespace mimo {

// The folder of a --tokenizer that names tokenizer.json or the folder itself. kNotFound when there is none.
Result<std::string> TokenizerFolder(const std::string& path);

// What trains all of `network`; `heads`, if any, are saved with it as they are. Copies of both share their
// parameters.
PreparedTask TrunkTask(Network network, std::optional<MtpHeads> heads, const SaveNetworkOptions& save,
                       torch::Device device);

}  // namespace mimo
