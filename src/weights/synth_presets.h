#pragma once
// The configurations of the released models, as the start of a synthetic checkpoint.

#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "weights/model_config.h"

namespace mimo {

struct SynthConfig {
  Json config;                     // for config.json, without quantization_config and dtype
  uint32_t num_mtp_layers = 0;     // also where config.json omits the key, as the early releases do
  bool router_is_bf16 = false;     // else float32
  bool experts_are_mxfp4 = false;  // as released; else FP8
};

// `like`: flash, v2.5, v2.5-pro, v2.6-flash or v2.6-pro. Values of `overrides` are JSON, or text where they
// do not parse; an unknown key is kInvalidArgument. What follows from an overridden key and was not
// overridden itself is adapted: hybrid_layer_pattern and moe_layer_freq to num_hidden_layers, the swa_ keys
// of head counts and sizes that are equal in all released models, sliding_window_size.
Result<SynthConfig> MakeSynthConfig(std::string_view like, const std::vector<ConfigOverride>& overrides);

}  // namespace mimo
