#include "weights/model_config.h"

#include <cmath>
#include <optional>
#include <utility>

#include "base/log.h"
#include "weights/config_fields.h"

namespace mimo {
namespace {

constexpr uint32_t kLayersMax = 1024;
constexpr uint32_t kHeadsMax = 4096;
constexpr uint32_t kHeadDimMax = 4096;
constexpr uint32_t kHiddenMax = 1U << 18;
constexpr uint32_t kIntermediateMax = 1U << 22;
constexpr uint32_t kVocabMax = 1U << 24;
constexpr uint32_t kExpertsMax = 1U << 14;
constexpr uint64_t kExpertsOfAllLayersMax = 1U << 18;  // the largest release has 27 thousand
constexpr uint32_t kPositionsMax = 1U << 30;
constexpr uint32_t kMtpLayersMax = 16;
constexpr double kDefaultEpsilon = 1e-5;  // of every release but V2.6-Flash (1e-6)

constexpr const char* kAcceptedArchitectures =
    "MiMoV2FlashForCausalLM (MiMo-V2-Flash), MiMoV2ForCausalLM (MiMo-V2.5, V2.5-Pro, V2.6), MiMoForCausalLM "
    "(MiMo-7B) and, in GGUF, mimo2";

struct Architecture {
  const char* name;
  const char* model_type;
  ModelFamily family;
};

constexpr Architecture kArchitectures[] = {
    {"MiMoV2FlashForCausalLM", "mimo_v2_flash", ModelFamily::kMimoV2},
    {"MiMoV2ForCausalLM", "mimo_v2", ModelFamily::kMimoV2},
    {"MiMoForCausalLM", "mimo", ModelFamily::kMimo},
    {"mimo2", "mimo2", ModelFamily::kMimoV2},
};

Status ReadArchitecture(const ConfigFields& fields, ModelConfig& config) {
  const Json* const list = fields.Find("architectures");
  if (list != nullptr && list->is_array() && !list->empty() && list->front().is_string()) {
    config.architecture = list->front().get<std::string>();
    for (const Architecture& known : kArchitectures) {
      if (config.architecture != known.name) continue;
      config.family = known.family;
      return {};
    }
  } else {
    MIMO_ASSIGN_OR_RETURN(config.architecture, fields.String("model_type"));
    if (config.architecture.empty()) {
      return InvalidArgument("neither 'architectures' nor 'model_type' names the model ({})", fields.where());
    }
    for (const Architecture& known : kArchitectures) {
      if (config.architecture != known.model_type) continue;
      config.architecture = known.name;
      config.family = known.family;
      return {};
    }
  }
  return Unimplemented("architecture '{}' is not supported ({}): accepted are {}",
                       config.architecture.substr(0, 80), fields.where(), kAcceptedArchitectures);
}

// `value` must be absent, or one of the two.
Status RequireString(const ConfigFields& fields, std::string_view key, std::string_view accepted) {
  MIMO_ASSIGN_OR_RETURN(const std::string value, fields.String(key));
  if (value.empty() || value == accepted) return {};
  return Unimplemented("'{}' = '{}' is not supported ({}): only '{}' is", key, value.substr(0, 40),
                       fields.where(), accepted);
}

Status RequireAtMost(const ConfigFields& fields, std::string_view key, uint32_t max) {
  MIMO_ASSIGN_OR_RETURN(const uint32_t value, fields.Integer(key, {0, UINT32_MAX}, max));
  if (value <= max) return {};
  return Unimplemented("'{}' = {} is not supported ({}): no MiMo checkpoint uses more than {}", key, value,
                       fields.where(), max);
}

// Parts of related architectures that no MiMo checkpoint has: better an error than wrong logits.
Status RejectForeignFeatures(const ConfigFields& fields) {
  MIMO_RETURN_IF_ERROR(RequireString(fields, "hidden_act", "silu"));
  MIMO_RETURN_IF_ERROR(RequireString(fields, "scoring_func", "sigmoid"));
  MIMO_RETURN_IF_ERROR(RequireString(fields, "topk_method", "noaux_tc"));
  MIMO_RETURN_IF_ERROR(RequireAtMost(fields, "n_group", 1));
  MIMO_RETURN_IF_ERROR(RequireAtMost(fields, "topk_group", 1));
  MIMO_RETURN_IF_ERROR(RequireAtMost(fields, "n_shared_experts", 0));
  const Json* const quantization = fields.Find("quantization_config");
  if (quantization == nullptr) return {};
  if (!quantization->is_object()) {
    return InvalidArgument("'quantization_config' must be an object ({})", fields.where());
  }
  const ConfigFields nested(*quantization, fields.where());
  MIMO_RETURN_IF_ERROR(RequireString(nested, "quant_method", "fp8"));
  MIMO_RETURN_IF_ERROR(RequireString(nested, "fmt", "e4m3"));
  const Json* const block = nested.Find("weight_block_size");
  if (block != nullptr && *block != Json::array({128, 128})) {
    return Unimplemented("FP8 blocks of {} are not supported ({}): only [128,128] are",
                         DumpJson(*block).substr(0, 40), fields.where());
  }
  return {};
}

Result<uint32_t> RotaryDim(const ConfigFields& fields, uint32_t head_dim, double factor) {
  // Truncated, not rounded: 192 * 0.334 = 64.1 gives 64.
  const double product = std::floor(static_cast<double>(head_dim) * factor);
  if (factor > 1.0 || product < 2.0) {
    return InvalidArgument("'partial_rotary_factor' leaves {} of {} dimensions to rotate ({})", product,
                           head_dim, fields.where());
  }
  const auto rotary_dim = static_cast<uint32_t>(product);
  if (rotary_dim % 2 != 0) {
    return InvalidArgument("head_dim * partial_rotary_factor must be even, not {} ({})", rotary_dim,
                           fields.where());
  }
  return rotary_dim;
}

Status CheckHeadGroups(const ConfigFields& fields, std::string_view prefix, const AttentionGeometry& kind) {
  if (kind.num_attention_heads % kind.num_key_value_heads == 0) return {};
  return InvalidArgument(
      "'{0}num_attention_heads' = {1} is not a multiple of '{0}num_key_value_heads' = {2} ({3})", prefix,
      kind.num_attention_heads, kind.num_key_value_heads, fields.where());
}

Status ReadFullAttention(const ConfigFields& fields, ModelConfig& config) {
  AttentionGeometry& full = config.full_attention;
  MIMO_ASSIGN_OR_RETURN(full.num_attention_heads, fields.Integer("num_attention_heads", {1, kHeadsMax}));
  MIMO_ASSIGN_OR_RETURN(full.num_key_value_heads,
                        fields.Integer("num_key_value_heads", {1, kHeadsMax}, full.num_attention_heads));
  std::optional<uint32_t> head_dim;
  const uint32_t quotient = config.hidden_size / full.num_attention_heads;
  if (quotient >= 1 && quotient <= kHeadDimMax) head_dim = quotient;
  MIMO_ASSIGN_OR_RETURN(full.head_dim, fields.Integer("head_dim", {2, kHeadDimMax}, head_dim));
  MIMO_ASSIGN_OR_RETURN(full.v_head_dim, fields.Integer("v_head_dim", {1, kHeadDimMax}, full.head_dim));
  MIMO_ASSIGN_OR_RETURN(const double theta, fields.PositiveNumber("rope_theta"));
  full.rope_theta = static_cast<float>(theta);
  MIMO_ASSIGN_OR_RETURN(const double factor, fields.PositiveNumber("partial_rotary_factor", 1.0));
  MIMO_ASSIGN_OR_RETURN(full.rotary_dim, RotaryDim(fields, full.head_dim, factor));
  MIMO_ASSIGN_OR_RETURN(full.has_sinks, fields.Bool("add_full_attention_sink_bias", false));
  return CheckHeadGroups(fields, "", full);
}

// Every swa_ key falls back to the value of full attention.
Status ReadSlidingAttention(const ConfigFields& fields, ModelConfig& config) {
  const AttentionGeometry& full = config.full_attention;
  AttentionGeometry& sliding = config.sliding_attention;
  MIMO_ASSIGN_OR_RETURN(sliding.num_attention_heads,
                        fields.Integer("swa_num_attention_heads", {1, kHeadsMax}, full.num_attention_heads));
  MIMO_ASSIGN_OR_RETURN(sliding.num_key_value_heads,
                        fields.Integer("swa_num_key_value_heads", {1, kHeadsMax}, full.num_key_value_heads));
  MIMO_ASSIGN_OR_RETURN(sliding.head_dim, fields.Integer("swa_head_dim", {2, kHeadDimMax}, full.head_dim));
  MIMO_ASSIGN_OR_RETURN(sliding.v_head_dim,
                        fields.Integer("swa_v_head_dim", {1, kHeadDimMax}, full.v_head_dim));
  MIMO_ASSIGN_OR_RETURN(const double theta,
                        fields.PositiveNumber("swa_rope_theta", static_cast<double>(full.rope_theta)));
  sliding.rope_theta = static_cast<float>(theta);
  MIMO_ASSIGN_OR_RETURN(const double full_factor, fields.PositiveNumber("partial_rotary_factor", 1.0));
  MIMO_ASSIGN_OR_RETURN(const double factor, fields.PositiveNumber("swa_partial_rotary_factor", full_factor));
  MIMO_ASSIGN_OR_RETURN(sliding.rotary_dim, RotaryDim(fields, sliding.head_dim, factor));
  MIMO_ASSIGN_OR_RETURN(sliding.has_sinks, fields.Bool("add_swa_attention_sink_bias", true));
  const char* const key =
      fields.Find("sliding_window_size") != nullptr ? "sliding_window_size" : "sliding_window";
  MIMO_ASSIGN_OR_RETURN(sliding.window, fields.Integer(key, {1, kPositionsMax}));
  return CheckHeadGroups(fields, "swa_", sliding);
}

// moe_layer_freq: an array of flags, or n: each n-th layer from first_k_dense_replace on is sparse.
Result<std::vector<bool>> ReadSparseLayers(const ConfigFields& fields, uint32_t num_layers) {
  const Json* const frequency = fields.Find("moe_layer_freq");
  if (frequency == nullptr) {
    if (fields.Find("n_routed_experts") == nullptr) return std::vector<bool>(num_layers, false);
    return InvalidArgument("'moe_layer_freq' is missing ({})", fields.where());
  }
  if (frequency->is_array()) return fields.Flags("moe_layer_freq", num_layers);
  MIMO_ASSIGN_OR_RETURN(const uint32_t every, fields.Integer("moe_layer_freq", {0, kLayersMax}));
  MIMO_ASSIGN_OR_RETURN(const uint32_t first, fields.Integer("first_k_dense_replace", {0, kLayersMax}, 0));
  std::vector<bool> is_sparse(num_layers, false);
  for (uint32_t layer = first; every > 0 && layer < num_layers; ++layer)
    is_sparse[layer] = layer % every == 0;
  return is_sparse;
}

Status ReadExperts(const ConfigFields& fields, ModelConfig& config) {
  MIMO_ASSIGN_OR_RETURN(config.is_sparse, ReadSparseLayers(fields, config.num_hidden_layers));
  uint64_t num_sparse = 0;
  for (const bool sparse : config.is_sparse) num_sparse += sparse ? 1 : 0;
  if (num_sparse == 0) return {};
  MIMO_ASSIGN_OR_RETURN(config.n_routed_experts, fields.Integer("n_routed_experts", {1, kExpertsMax}));
  if (num_sparse * config.n_routed_experts > kExpertsOfAllLayersMax) {
    return InvalidArgument("'n_routed_experts' = {} in {} layers is more than {} experts ({})",
                           config.n_routed_experts, num_sparse, kExpertsOfAllLayersMax, fields.where());
  }
  MIMO_ASSIGN_OR_RETURN(config.num_experts_per_tok,
                        fields.Integer("num_experts_per_tok", {1, config.n_routed_experts}));
  MIMO_ASSIGN_OR_RETURN(config.moe_intermediate_size,
                        fields.Integer("moe_intermediate_size", {1, kIntermediateMax}));
  MIMO_ASSIGN_OR_RETURN(config.norm_topk_prob, fields.Bool("norm_topk_prob", true));
  MIMO_ASSIGN_OR_RETURN(const double scale, fields.PositiveNumber("routed_scaling_factor", 1.0));
  config.routed_scaling_factor = static_cast<float>(scale);
  return {};
}

Status ReadSizes(const ConfigFields& fields, ModelConfig& config) {
  MIMO_ASSIGN_OR_RETURN(config.hidden_size, fields.Integer("hidden_size", {1, kHiddenMax}));
  MIMO_ASSIGN_OR_RETURN(config.num_hidden_layers, fields.Integer("num_hidden_layers", {1, kLayersMax}));
  MIMO_ASSIGN_OR_RETURN(config.vocab_size, fields.Integer("vocab_size", {1, kVocabMax}));
  MIMO_ASSIGN_OR_RETURN(config.intermediate_size, fields.Integer("intermediate_size", {1, kIntermediateMax}));
  MIMO_ASSIGN_OR_RETURN(config.max_position_embeddings,
                        fields.Integer("max_position_embeddings", {1, kPositionsMax}, 32768));
  MIMO_ASSIGN_OR_RETURN(config.num_nextn_predict_layers,
                        fields.Integer("num_nextn_predict_layers", {0, kMtpLayersMax}, 0));
  MIMO_ASSIGN_OR_RETURN(config.tie_word_embeddings, fields.Bool("tie_word_embeddings", false));
  MIMO_ASSIGN_OR_RETURN(config.eos_token_ids, fields.TokenIds("eos_token_id", config.vocab_size));
  const char* const key = fields.Find("layernorm_epsilon") != nullptr ? "layernorm_epsilon" : "rms_norm_eps";
  if (fields.Find(key) == nullptr) {
    LogInfo("'layernorm_epsilon' is missing ({}): using {}; --override layernorm_epsilon=1e-6 changes it",
            fields.where(), kDefaultEpsilon);
  }
  MIMO_ASSIGN_OR_RETURN(const double epsilon, fields.PositiveNumber(key, kDefaultEpsilon));
  config.layernorm_epsilon = static_cast<float>(epsilon);
  return {};
}

// Reads what differs between the families: layer kinds, sinks, biases and the layout of q, k and v.
Status ReadFamily(const ConfigFields& fields, ModelConfig& config) {
  if (config.family == ModelFamily::kMimo) {
    config.sliding_attention = config.full_attention;
    config.is_sliding.assign(config.num_hidden_layers, false);
    config.is_sparse.assign(config.num_hidden_layers, false);
    config.mtp_is_sliding = false;
    MIMO_ASSIGN_OR_RETURN(config.attention_bias, fields.Bool("attention_bias", true));
    return {};
  }
  MIMO_RETURN_IF_ERROR(ReadSlidingAttention(fields, config));
  MIMO_ASSIGN_OR_RETURN(config.is_sliding, fields.Flags("hybrid_layer_pattern", config.num_hidden_layers));
  MIMO_RETURN_IF_ERROR(ReadExperts(fields, config));
  MIMO_ASSIGN_OR_RETURN(const double value_scale, fields.PositiveNumber("attention_value_scale", 1.0));
  config.attention_value_scale = static_cast<float>(value_scale);
  MIMO_ASSIGN_OR_RETURN(config.attention_bias, fields.Bool("attention_bias", false));
  MIMO_ASSIGN_OR_RETURN(const std::string layout, fields.String("attention_projection_layout"));
  config.fused_qkv = layout == "fused_qkv";
  config.qkv_chunks = config.architecture == "mimo2" ? 1 : config.full_attention.num_key_value_heads;
  if (config.attention_bias && config.fused_qkv) {
    return Unimplemented("'attention_bias' with a fused qkv projection is not supported ({})",
                         fields.where());
  }
  return {};
}

}  // namespace

Result<ModelConfig> InterpretConfig(const Json& config_json, std::string_view where) {
  const ConfigFields fields(config_json, where);
  ModelConfig config;
  MIMO_RETURN_IF_ERROR(ReadArchitecture(fields, config));
  MIMO_RETURN_IF_ERROR(RejectForeignFeatures(fields));
  MIMO_RETURN_IF_ERROR(ReadSizes(fields, config));
  MIMO_RETURN_IF_ERROR(ReadFullAttention(fields, config));
  MIMO_RETURN_IF_ERROR(ReadFamily(fields, config));
  return config;
}

Result<ModelConfig> ParseModelConfig(std::string_view config_json,
                                     const std::vector<ConfigOverride>& overrides) {
  constexpr std::string_view kWhere = "config.json";
  Result<Json> json = ParseJson(config_json);
  if (!json) return MakeError(json.error().code, "{} ({})", json.error().message, kWhere);
  MIMO_ASSIGN_OR_RETURN(const Json normalized, NormalizeConfig(std::move(json).value(), overrides, kWhere));
  return InterpretConfig(normalized, kWhere);
}

}  // namespace mimo
