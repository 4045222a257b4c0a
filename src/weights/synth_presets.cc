#include "weights/synth_presets.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

namespace mimo {
namespace {

constexpr std::array<uint32_t, 9> kFullLayersOf48 = {0, 5, 11, 17, 23, 29, 35, 41, 47};
constexpr std::array<uint32_t, 1> kDenseLayers = {0};
constexpr std::array<uint32_t, 10> kFullLayersOf70 = {0, 7, 15, 23, 31, 39, 47, 55, 62, 69};

// The values in which the released models differ. Source: their config.json files.
struct Preset {
  std::string_view like;
  bool fused_qkv;
  uint32_t hidden_size;
  uint32_t num_hidden_layers;
  uint32_t num_attention_heads;
  uint32_t num_key_value_heads;
  uint32_t n_routed_experts;
  uint32_t rope_theta;
  uint32_t max_position_embeddings;
  double attention_value_scale;
  double layernorm_epsilon;
  bool is_v26;  // MXFP4 experts, bf16 router, MTP count in config.json
};

constexpr Preset kPresets[] = {
    {"flash", false, 4096, 48, 64, 4, 256, 5000000, 262144, 0.707, 1e-5, false},
    {"v2.5", true, 4096, 48, 64, 4, 256, 10000000, 1048576, 0.707, 1e-5, false},
    {"v2.5-pro", true, 6144, 70, 128, 8, 384, 10000000, 1048576, 0.612, 1e-5, false},
    {"v2.6-flash", true, 4096, 48, 64, 4, 256, 10000000, 1048576, 0.707, 1e-6, true},
    {"v2.6-pro", true, 6144, 70, 128, 8, 384, 10000000, 1048576, 0.612, 1e-6, true},
};
constexpr uint32_t kNumMtpLayers = 3;
constexpr uint32_t kSlidingKvHeads = 8;

// Keys that take the value of another one unless they are overridden themselves.
constexpr std::pair<const char*, const char*> kFollowers[] = {
    {"swa_num_attention_heads", "num_attention_heads"},
    {"swa_head_dim", "head_dim"},
    {"swa_v_head_dim", "v_head_dim"},
    {"sliding_window_size", "sliding_window"},
    {"attention_chunk_size", "sliding_window"},
};

Json LayerFlags(uint32_t num_layers, std::span<const uint32_t> zeros) {
  Json flags = Json::array();
  for (uint32_t layer = 0; layer < num_layers; ++layer) {
    flags.push_back(std::find(zeros.begin(), zeros.end(), layer) == zeros.end() ? 1 : 0);
  }
  return flags;
}

Json CommonKeys() {
  return {{"attention_bias", false},
          {"attention_dropout", 0.0},
          {"attention_chunk_size", 128},
          {"add_full_attention_sink_bias", false},
          {"add_swa_attention_sink_bias", true},
          {"head_dim", 192},
          {"v_head_dim", 128},
          {"swa_head_dim", 192},
          {"swa_v_head_dim", 128},
          {"hidden_act", "silu"},
          {"hybrid_block_size", nullptr},
          {"initializer_range", 0.02},
          {"intermediate_size", 16384},
          {"moe_intermediate_size", 2048},
          {"n_group", 1},
          {"n_shared_experts", nullptr},
          {"norm_topk_prob", true},
          {"num_experts_per_tok", 8},
          {"partial_rotary_factor", 0.334},
          {"routed_scaling_factor", nullptr},
          {"scoring_func", "sigmoid"},
          {"sliding_window", 128},
          {"sliding_window_size", 128},
          {"swa_rope_theta", 10000},
          {"tie_word_embeddings", false},
          {"topk_group", 1},
          {"topk_method", "noaux_tc"},
          {"use_cache", true},
          {"vocab_size", 152576},
          {"eos_token_id", 151645},
          {"pad_token_id", 151643}};
}

Json PresetKeys(const Preset& preset) {
  Json config = {{"architectures", {preset.fused_qkv ? "MiMoV2ForCausalLM" : "MiMoV2FlashForCausalLM"}},
                 {"model_type", preset.fused_qkv ? "mimo_v2" : "mimo_v2_flash"},
                 {"hidden_size", preset.hidden_size},
                 {"num_hidden_layers", preset.num_hidden_layers},
                 {"num_attention_heads", preset.num_attention_heads},
                 {"num_key_value_heads", preset.num_key_value_heads},
                 {"swa_num_attention_heads", preset.num_attention_heads},
                 {"swa_num_key_value_heads", kSlidingKvHeads},
                 {"n_routed_experts", preset.n_routed_experts},
                 {"rope_theta", preset.rope_theta},
                 {"max_position_embeddings", preset.max_position_embeddings},
                 {"attention_value_scale", preset.attention_value_scale},
                 {"layernorm_epsilon", preset.layernorm_epsilon}};
  if (preset.fused_qkv) config["attention_projection_layout"] = "fused_qkv";
  const std::span<const uint32_t> full_layers =
      preset.num_hidden_layers == 48 ? std::span<const uint32_t>(kFullLayersOf48) : kFullLayersOf70;
  config["hybrid_layer_pattern"] = LayerFlags(preset.num_hidden_layers, full_layers);
  config["moe_layer_freq"] = LayerFlags(preset.num_hidden_layers, kDenseLayers);
  config.update(CommonKeys());
  return config;
}

// Sets the overridden keys. num_nextn_predict_layers is a key that not every release has.
Status ApplyOverrides(const std::vector<ConfigOverride>& overrides, Json& config) {
  for (const auto& [key, text] : overrides) {
    if (!config.contains(key) && key != "num_nextn_predict_layers") {
      return InvalidArgument("unknown key '{}' (--set): name a key of the model's config.json", key);
    }
    Result<Json> value = ParseJson(text);
    config[key] = value.has_value() ? *value : Json(text);
  }
  return {};
}

bool IsOverridden(const std::vector<ConfigOverride>& overrides, std::string_view key) {
  return std::any_of(overrides.begin(), overrides.end(),
                     [key](const ConfigOverride& entry) { return entry.first == key; });
}

// The first `num_layers` entries; a deeper model repeats all but the first one.
Json Resize(const Json& flags, uint64_t num_layers) {
  Json resized = Json::array();
  for (uint64_t layer = 0; layer < num_layers; ++layer) {
    resized.push_back(flags[layer < flags.size() ? layer : 1 + (layer - 1) % (flags.size() - 1)]);
  }
  return resized;
}

// The reader's limits.
constexpr uint64_t kLayersMax = 1024;
constexpr uint64_t kHeadsMax = 4096;
constexpr uint32_t kMtpLayersMax = 16;

Status AdaptFollowers(const std::vector<ConfigOverride>& overrides, uint64_t swa_heads_ratio, Json& config) {
  for (const auto& [follower, leader] : kFollowers) {
    if (IsOverridden(overrides, leader) && !IsOverridden(overrides, follower)) {
      config[follower] = config[leader];
    }
  }
  // Key and value heads of the two kinds of attention keep their ratio: 1 to 2, or 1 to 1 in the Pro models.
  if (IsOverridden(overrides, "num_key_value_heads") && !IsOverridden(overrides, "swa_num_key_value_heads")) {
    const Json& heads = config["num_key_value_heads"];
    if (heads.is_number_unsigned() && heads <= kHeadsMax) {
      config["swa_num_key_value_heads"] = heads.get<uint64_t>() * swa_heads_ratio;
    }
  }
  const Json& num_layers = config["num_hidden_layers"];
  if (!num_layers.is_number_unsigned() || num_layers == 0 || num_layers > kLayersMax) {
    return InvalidArgument("num_hidden_layers must be from 1 to {} (--set): correct it", kLayersMax);
  }
  for (const char* key : {"hybrid_layer_pattern", "moe_layer_freq"}) {
    if (!IsOverridden(overrides, key)) config[key] = Resize(config[key], num_layers.get<uint64_t>());
  }
  return {};
}

}  // namespace

Result<SynthConfig> MakeSynthConfig(std::string_view like, const std::vector<ConfigOverride>& overrides) {
  const auto* const preset = std::find_if(std::begin(kPresets), std::end(kPresets),
                                          [like](const Preset& entry) { return entry.like == like; });
  if (preset == std::end(kPresets)) {
    return InvalidArgument("unknown model '{}' (--like): use flash, v2.5, v2.5-pro, v2.6-flash or v2.6-pro",
                           like);
  }
  SynthConfig synth;
  synth.config = PresetKeys(*preset);
  if (preset->is_v26) {
    synth.config["moe_router_dtype"] = "bfloat16";
    synth.config["num_nextn_predict_layers"] = kNumMtpLayers;
  }
  MIMO_RETURN_IF_ERROR(ApplyOverrides(overrides, synth.config));
  MIMO_RETURN_IF_ERROR(
      AdaptFollowers(overrides, kSlidingKvHeads / preset->num_key_value_heads, synth.config));
  synth.num_mtp_layers = kNumMtpLayers;
  if (const auto count = synth.config.find("num_nextn_predict_layers"); count != synth.config.end()) {
    if (!count->is_number_unsigned() || *count > kMtpLayersMax) {
      return InvalidArgument("num_nextn_predict_layers must be from 0 to {} (--set): correct it",
                             kMtpLayersMax);
    }
    synth.num_mtp_layers = count->get<uint32_t>();
  }
  synth.router_is_bf16 = synth.config.value("moe_router_dtype", "") == "bfloat16";
  synth.experts_are_mxfp4 = preset->is_v26;
  return synth;
}

}  // namespace mimo
