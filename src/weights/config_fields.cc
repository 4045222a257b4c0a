#include "weights/config_fields.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace mimo {
namespace {

constexpr size_t kTokenIdsMax = 64;  // published lists have three
constexpr double kNumberMax = 1e12;

// Keys that the interpreter reads. They may be overridden even where a file leaves them out.
constexpr std::array<std::string_view, 42> kKnownKeys = {
    "add_full_attention_sink_bias",
    "add_swa_attention_sink_bias",
    "architectures",
    "attention_bias",
    "attention_projection_layout",
    "attention_value_scale",
    "eos_token_id",
    "first_k_dense_replace",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "hybrid_layer_pattern",
    "intermediate_size",
    "layernorm_epsilon",
    "max_position_embeddings",
    "model_type",
    "moe_intermediate_size",
    "moe_layer_freq",
    "n_group",
    "n_routed_experts",
    "n_shared_experts",
    "norm_topk_prob",
    "num_attention_heads",
    "num_experts_per_tok",
    "num_hidden_layers",
    "num_key_value_heads",
    "num_nextn_predict_layers",
    "partial_rotary_factor",
    "rms_norm_eps",
    "rope_theta",
    "routed_scaling_factor",
    "scoring_func",
    "sliding_window",
    "sliding_window_size",
    "swa_head_dim",
    "swa_num_attention_heads",
    "swa_num_key_value_heads",
    "swa_partial_rotary_factor",
    "swa_rope_theta",
    "swa_v_head_dim",
    "v_head_dim",
    "vocab_size",
};
static_assert(std::is_sorted(kKnownKeys.begin(), kKnownKeys.end()));

// Two spellings of one value. An override of either sets both, or the file's other one could win.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"sliding_window", "sliding_window_size"},
    {"layernorm_epsilon", "rms_norm_eps"},
};

bool IsPresent(const Json& object, std::string_view key) {
  const auto it = object.find(key);
  return it != object.end() && !it->is_null();
}

void SetIfAbsent(Json& object, const std::string& key, const Json& value) {
  if (!IsPresent(object, key)) object[key] = value;
}

// Any rope_type but "default" changes the frequencies in ways that no MiMo checkpoint uses.
Status CheckRopeType(const Json& rope, std::string_view key, std::string_view where) {
  if (!rope.is_object()) return InvalidArgument("'{}' must be an object ({})", key, where);
  for (const char* type_key : {"rope_type", "type"}) {
    const auto it = rope.find(type_key);
    if (it == rope.end() || it->is_null()) continue;
    if (!it->is_string()) return InvalidArgument("'{}.{}' must be a string ({})", key, type_key, where);
    if (*it != "default") {
      return Unimplemented("rope scaling of type '{}' is not supported ({}, key '{}')",
                           it->get<std::string>(), where, key);
    }
  }
  return {};
}

// `prefix` is "" or "swa_".
void SpreadRope(Json& config, const Json& rope, const std::string& prefix) {
  for (const std::string key : {"rope_theta", "partial_rotary_factor"}) {
    if (IsPresent(rope, key)) SetIfAbsent(config, prefix + key, rope[key]);
  }
}

Status SpreadRopeParameters(Json& config, std::string_view where) {
  if (IsPresent(config, "rope_scaling")) {
    MIMO_RETURN_IF_ERROR(CheckRopeType(config["rope_scaling"], "rope_scaling", where));
  }
  if (!IsPresent(config, "rope_parameters")) return {};
  const Json rope = config["rope_parameters"];
  if (!rope.is_object()) return InvalidArgument("'rope_parameters' must be an object ({})", where);
  bool by_kind = false;
  for (const auto& [kind, prefix] : {std::pair<const char*, const char*>{"full_attention", ""},
                                     std::pair<const char*, const char*>{"sliding_attention", "swa_"}}) {
    if (!IsPresent(rope, kind)) continue;
    by_kind = true;
    MIMO_RETURN_IF_ERROR(CheckRopeType(rope[kind], "rope_parameters", where));
    SpreadRope(config, rope[kind], prefix);
  }
  if (by_kind) return {};
  MIMO_RETURN_IF_ERROR(CheckRopeType(rope, "rope_parameters", where));
  SpreadRope(config, rope, "");
  return {};
}

// ["full_attention", "sliding_attention", ...] -> [0, 1, ...]
struct TypeNames {
  const char* source_key;
  const char* target_key;
  const char* zero;
  const char* one;
};

Status TranslateLayerTypes(Json& config, const TypeNames& names, std::string_view where) {
  if (IsPresent(config, names.target_key) || !IsPresent(config, names.source_key)) return {};
  const Json& types = config[names.source_key];
  if (!types.is_array()) return InvalidArgument("'{}' must be an array ({})", names.source_key, where);
  Json flags = Json::array();
  for (const Json& type : types) {
    if (type != names.zero && type != names.one) {
      return InvalidArgument("'{}' must hold '{}' or '{}' ({})", names.source_key, names.zero, names.one,
                             where);
    }
    flags.push_back(type == names.one ? 1 : 0);
  }
  config[names.target_key] = std::move(flags);
  return {};
}

Status ApplyOverrides(Json& config, const std::vector<ConfigOverride>& overrides, std::string_view where) {
  for (const auto& [key, text] : overrides) {
    if (!config.contains(key) && !std::binary_search(kKnownKeys.begin(), kKnownKeys.end(), key)) {
      return InvalidArgument("--override of the unknown key '{}' ({}): use a key of config.json", key, where);
    }
    Result<Json> parsed = ParseJson(text);
    const Json value = parsed ? std::move(parsed).value() : Json(text);
    config[key] = value;
    for (const auto& [first, second] : kAliases) {
      if (key == first) config[std::string(second)] = value;
      if (key == second) config[std::string(first)] = value;
    }
  }
  return {};
}

}  // namespace

const Json* ConfigFields::Find(std::string_view key) const {
  const auto it = json_.find(key);
  return it == json_.end() || it->is_null() ? nullptr : &*it;
}

Result<uint32_t> ConfigFields::Integer(std::string_view key, IntegerRange range,
                                       std::optional<uint32_t> fallback) const {
  const Json* const value = Find(key);
  if (value == nullptr) {
    if (fallback.has_value()) return *fallback;
    return InvalidArgument("'{}' is missing ({})", key, where_);
  }
  if (!value->is_number_integer() || (!value->is_number_unsigned() && value->get<int64_t>() < 0) ||
      value->get<uint64_t>() < range.min || value->get<uint64_t>() > range.max) {
    return InvalidArgument("'{}' must be an integer from {} to {}, not {} ({})", key, range.min, range.max,
                           DumpJson(*value).substr(0, 40), where_);
  }
  return static_cast<uint32_t>(value->get<uint64_t>());
}

Result<double> ConfigFields::PositiveNumber(std::string_view key, std::optional<double> fallback) const {
  const Json* const value = Find(key);
  if (value == nullptr) {
    if (fallback.has_value()) return *fallback;
    return InvalidArgument("'{}' is missing ({})", key, where_);
  }
  const double number = value->is_number() ? value->get<double>() : 0.0;
  if (!(number > 0.0 && number <= kNumberMax)) {
    return InvalidArgument("'{}' must be a number above 0 and at most 1e12, not {} ({})", key,
                           DumpJson(*value).substr(0, 40), where_);
  }
  return number;
}

Result<bool> ConfigFields::Bool(std::string_view key, bool fallback) const {
  const Json* const value = Find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) return InvalidArgument("'{}' must be true or false ({})", key, where_);
  return value->get<bool>();
}

Result<std::string> ConfigFields::String(std::string_view key) const {
  const Json* const value = Find(key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return InvalidArgument("'{}' must be a string ({})", key, where_);
  return value->get<std::string>();
}

Result<std::vector<bool>> ConfigFields::Flags(std::string_view key, uint32_t num_layers) const {
  const Json* const value = Find(key);
  if (value == nullptr) return InvalidArgument("'{}' is missing ({})", key, where_);
  if (!value->is_array() || value->size() != num_layers) {
    return InvalidArgument("'{}' must be an array with one entry for each of the {} layers ({})", key,
                           num_layers, where_);
  }
  std::vector<bool> flags;
  flags.reserve(num_layers);
  for (const Json& entry : *value) {
    if (entry == 0 || entry == false) {
      flags.push_back(false);
    } else if (entry == 1 || entry == true) {
      flags.push_back(true);
    } else {
      return InvalidArgument("'{}' must hold 0 or 1 only ({})", key, where_);
    }
  }
  return flags;
}

Result<std::vector<uint32_t>> ConfigFields::TokenIds(std::string_view key, uint32_t limit) const {
  const Json* const value = Find(key);
  if (value == nullptr) return std::vector<uint32_t>();
  const Json list = value->is_array() ? *value : Json::array({*value});
  if (list.size() > kTokenIdsMax) {
    return InvalidArgument("'{}' lists more than {} ids ({})", key, kTokenIdsMax, where_);
  }
  std::vector<uint32_t> ids;
  for (const Json& entry : list) {
    if (!entry.is_number_unsigned() || entry.get<uint64_t>() > UINT32_MAX) {
      return InvalidArgument("'{}' must hold token ids, not {} ({})", key, DumpJson(entry).substr(0, 40),
                             where_);
    }
    const auto id = static_cast<uint32_t>(entry.get<uint64_t>());
    if (id < limit) ids.push_back(id);
  }
  return ids;
}

Result<Json> NormalizeConfig(Json config, const std::vector<ConfigOverride>& overrides,
                             std::string_view where) {
  if (!config.is_object()) return InvalidArgument("the configuration must be a JSON object ({})", where);
  if (IsPresent(config, "text_config") && config["text_config"].is_object()) {
    const Json text_config = config["text_config"];
    for (const auto& [key, value] : text_config.items()) {
      if (key != "architectures" && key != "model_type") config[key] = value;
    }
  }
  MIMO_RETURN_IF_ERROR(SpreadRopeParameters(config, where));
  MIMO_RETURN_IF_ERROR(TranslateLayerTypes(
      config, {"layer_types", "hybrid_layer_pattern", "full_attention", "sliding_attention"}, where));
  MIMO_RETURN_IF_ERROR(
      TranslateLayerTypes(config, {"mlp_layer_types", "moe_layer_freq", "dense", "sparse"}, where));
  MIMO_RETURN_IF_ERROR(ApplyOverrides(config, overrides, where));
  if (IsPresent(config, "rope_scaling")) {  // again: an override may have set it
    MIMO_RETURN_IF_ERROR(CheckRopeType(config["rope_scaling"], "rope_scaling", where));
  }
  return config;
}

}  // namespace mimo
