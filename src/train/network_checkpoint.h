#pragma once
// Networks as checkpoint folders, under the official tensor names (weights/tensor_table.h), so that the
// engine loads a trained model as it loads any other.

#include <string>

#include "base/status.h"
#include "train/mtp_heads.h"
#include "train/network.h"

namespace mimo {

struct SaveNetworkOptions {
  // The text of config.json that the network's config was parsed from. num_nextn_predict_layers is set to the
  // heads written, and dtype to float32.
  std::string config_json;
  // A folder whose tokenizer.json and, where present, tokenizer_config.json, chat_template.jinja and
  // generation_config.json are copied; empty: none.
  std::string tokenizer_folder;
};

// Writes config.json and model.safetensors (float32) into `folder`, which is made. A file is written beside
// its old form and renamed, config.json last: an interrupted save leaves the old checkpoint. heads: may be
// null.
Status SaveNetwork(const std::string& folder, const Network& network, const MtpHeads* heads,
                   const SaveNetworkOptions& options);

// Overwrites every parameter and router bias of `network`, and of `heads` unless null, with those of the
// checkpoint in `folder`: float32, or bfloat16 and float16, which are widened. kInvalidArgument where a
// tensor is missing, has another shape or is stored in a quantised form; the network may then be half
// overwritten.
Status LoadNetwork(const std::string& folder, Network* network, MtpHeads* heads);

}  // namespace mimo
