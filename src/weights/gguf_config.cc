#include "weights/gguf_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mimo {
namespace {

constexpr int64_t kBlocksMax = 1040;  // 1024 layers and 16 MTP layers
constexpr int64_t kGatingSigmoid = 2;
constexpr uint64_t kEndTokensMax = 64;

struct KeyPair {
  const char* gguf;  // after "mimo2."
  const char* config_json;
};

constexpr KeyPair kIntegerKeys[] = {
    {"embedding_length", "hidden_size"},
    {"context_length", "max_position_embeddings"},
    {"vocab_size", "vocab_size"},
    {"attention.key_length", "head_dim"},
    {"attention.value_length", "v_head_dim"},
    {"attention.key_length_swa", "swa_head_dim"},
    {"attention.value_length_swa", "swa_v_head_dim"},
    {"attention.sliding_window", "sliding_window"},
    {"expert_count", "n_routed_experts"},
    {"expert_used_count", "num_experts_per_tok"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_shared_count", "n_shared_experts"},
    {"expert_group_count", "n_group"},
    {"expert_group_used_count", "topk_group"},
};

constexpr KeyPair kNumberKeys[] = {
    {"attention.layer_norm_rms_epsilon", "layernorm_epsilon"},
    {"attention.value_scale", "attention_value_scale"},
    {"rope.freq_base", "rope_theta"},
    {"rope.freq_base_swa", "swa_rope_theta"},
    {"expert_weights_scale", "routed_scaling_factor"},
};

// Collects config.json keys from one file's metadata.
class Translator {
 public:
  Translator(const GgufFile& gguf, const TensorFinder& find, std::string_view file_name)
      : gguf_(gguf), find_(find), file_name_(file_name) {}

  Result<Json> Translate() {
    config_["architectures"] = Json::array({"mimo2"});
    MIMO_RETURN_IF_ERROR(CopyNumbers());
    MIMO_RETURN_IF_ERROR(CountLayers());
    MIMO_RETURN_IF_ERROR(ReadPattern());
    MIMO_RETURN_IF_ERROR(ReadHeads("attention.head_count", "num_attention_heads"));
    MIMO_RETURN_IF_ERROR(ReadHeads("attention.head_count_kv", "num_key_value_heads"));
    MIMO_RETURN_IF_ERROR(ReadFeedForward());
    MIMO_RETURN_IF_ERROR(ReadRotaryDim());
    MIMO_RETURN_IF_ERROR(ReadRouting());
    ReadTensorFacts();
    return std::move(config_);
  }

 private:
  const GgufValue* Find(std::string_view key) const { return gguf_.Find(fmt::format("mimo2.{}", key)); }

  tl::unexpected<Error> WrongValue(std::string_view key, std::string_view expected) const {
    return InvalidArgument("'mimo2.{}' must be {} ({})", key, expected, file_name_);
  }

  Status CopyNumbers() {
    for (const KeyPair& pair : kIntegerKeys) {
      const GgufValue* const value = Find(pair.gguf);
      if (value == nullptr) continue;
      const std::optional<int64_t> integer = value->is_array ? std::nullopt : value->Integer();
      if (!integer.has_value() || *integer < 0) return WrongValue(pair.gguf, "a non-negative integer");
      config_[pair.config_json] = static_cast<uint64_t>(*integer);
    }
    for (const KeyPair& pair : kNumberKeys) {
      const GgufValue* const value = Find(pair.gguf);
      if (value == nullptr) continue;
      const std::optional<double> number = value->is_array ? std::nullopt : value->Number();
      if (!number.has_value() || !std::isfinite(*number)) return WrongValue(pair.gguf, "a finite number");
      if (*number != 0.0) config_[pair.config_json] = *number;  // 0 stands for "not used"
    }
    return {};
  }

  // block_count includes the MTP layers, which stand behind the trunk.
  Status CountLayers() {
    const std::optional<int64_t> blocks = gguf_.Integer("mimo2.block_count");
    if (!blocks.has_value() || *blocks < 1 || *blocks > kBlocksMax) {
      return WrongValue("block_count", "an integer from 1 to 1040");
    }
    const int64_t mtp_layers = gguf_.Integer("mimo2.nextn_predict_layers").value_or(0);
    if (mtp_layers < 0 || mtp_layers >= *blocks) {
      return WrongValue("nextn_predict_layers", "less than block_count");
    }
    num_layers_ = static_cast<uint64_t>(*blocks - mtp_layers);
    num_blocks_ = static_cast<uint64_t>(*blocks);
    config_["num_hidden_layers"] = num_layers_;
    config_["num_nextn_predict_layers"] = static_cast<uint64_t>(mtp_layers);
    return {};
  }

  // An array with an entry per block, or one value for all. Arrays that end with the trunk are accepted too:
  // the entries of MTP layers are then absent.
  Status ReadPerBlock(std::string_view key, std::vector<int64_t>& values) const {
    const GgufValue* const value = Find(key);
    if (value == nullptr) return InvalidArgument("'mimo2.{}' is missing ({})", key, file_name_);
    if (value->is_array && value->count < num_layers_) {
      return WrongValue(key, "an array with an entry for each layer");
    }
    const uint64_t count = value->is_array ? std::min(value->count, num_blocks_) : num_blocks_;
    for (uint64_t block = 0; block < count; ++block) {
      const std::optional<int64_t> entry = value->Integer(value->is_array ? block : 0);
      if (!entry.has_value() || *entry < 0 || *entry > std::numeric_limits<int32_t>::max()) {
        return WrongValue(key, "an array of non-negative integers");
      }
      values.push_back(*entry);
    }
    return {};
  }

  Status ReadPattern() {
    std::vector<int64_t> pattern;
    MIMO_RETURN_IF_ERROR(ReadPerBlock("attention.sliding_window_pattern", pattern));
    config_["hybrid_layer_pattern"] = Json::array();
    for (uint64_t block = 0; block < num_blocks_; ++block) {
      // MTP layers without an entry slide, as in every published V2 model.
      const bool is_sliding = block < pattern.size() ? pattern[block] != 0 : true;
      is_sliding_.push_back(is_sliding);
      if (block < num_layers_) config_["hybrid_layer_pattern"].push_back(is_sliding ? 1 : 0);
    }
    return {};
  }

  // A count may differ between the two kinds of attention, but not inside one kind.
  Status ReadHeads(const char* key, const std::string& config_key) {
    std::vector<int64_t> counts;
    MIMO_RETURN_IF_ERROR(ReadPerBlock(key, counts));
    std::optional<int64_t> by_kind[2];
    for (uint64_t block = 0; block < counts.size(); ++block) {
      std::optional<int64_t>& count = by_kind[is_sliding_[block] ? 1 : 0];
      if (count.has_value() && *count != counts[block]) {
        return WrongValue(key, "equal in all layers of one kind of attention");
      }
      count = counts[block];
    }
    config_[config_key] = by_kind[0].has_value() ? *by_kind[0] : *by_kind[1];
    config_["swa_" + config_key] = by_kind[1].has_value() ? *by_kind[1] : *by_kind[0];
    for (const std::string& name : {config_key, "swa_" + config_key}) {
      config_[name] = config_[name].get<uint64_t>();
    }
    return {};
  }

  // Some writers give feed_forward_length per layer; the dense layers come first.
  Status ReadFeedForward() {
    std::vector<int64_t> lengths;
    MIMO_RETURN_IF_ERROR(ReadPerBlock("feed_forward_length", lengths));
    config_["intermediate_size"] = static_cast<uint64_t>(lengths.front());
    return {};
  }

  Status ReadRotaryDim() {
    const GgufValue* const value = Find("rope.dimension_count");
    if (value == nullptr) return {};
    const int64_t rotary_dim = value->is_array ? 0 : value->Integer().value_or(0);
    const auto head_dim = config_.find("head_dim");
    if (rotary_dim < 2 || head_dim == config_.end() ||
        static_cast<uint64_t>(rotary_dim) > head_dim->get<uint64_t>()) {
      return WrongValue("rope.dimension_count", "from 2 to attention.key_length");
    }
    // The interpreter truncates the product; half a dimension more keeps it clear of rounding. A factor of
    // one must stay one.
    const auto dimensions = static_cast<double>(head_dim->get<uint64_t>());
    const auto rotated = static_cast<double>(rotary_dim);
    config_["partial_rotary_factor"] = rotated == dimensions ? 1.0 : (rotated + 0.5) / dimensions;
    return {};
  }

  Status ReadRouting() {
    if (const GgufValue* const value = Find("expert_weights_norm"); value != nullptr) {
      const std::optional<int64_t> flag = value->is_array ? std::nullopt : value->Integer();
      if (!flag.has_value()) return WrongValue("expert_weights_norm", "a flag");
      config_["norm_topk_prob"] = *flag != 0;
    }
    if (const GgufValue* const value = Find("expert_gating_func"); value != nullptr) {
      const std::optional<int64_t> function = value->is_array ? std::nullopt : value->Integer();
      if (function.value_or(0) != kGatingSigmoid) {
        return Unimplemented("'mimo2.expert_gating_func' = {} is not supported ({}): only 2 (sigmoid) is",
                             function.value_or(0), file_name_);
      }
    }
    const std::string_view scaling = gguf_.String("mimo2.rope.scaling.type");
    if (!scaling.empty() && scaling != "none") {
      config_["rope_scaling"] = Json{{"type", std::string(scaling.substr(0, 40))}};
    }
    return {};
  }

  bool Has(uint64_t block, std::string_view suffix) const {
    return find_(fmt::format("blk.{}.{}", block, suffix)) != nullptr;
  }

  void ReadTensorFacts() {
    bool sinks[2] = {false, false};
    config_["moe_layer_freq"] = Json::array();
    for (uint64_t block = 0; block < num_blocks_; ++block) {
      if (block < num_layers_) config_["moe_layer_freq"].push_back(Has(block, "ffn_gate_inp.weight") ? 1 : 0);
      if (Has(block, "attn_sinks.weight")) sinks[is_sliding_[block] ? 1 : 0] = true;
    }
    config_["add_full_attention_sink_bias"] = sinks[0];
    config_["add_swa_attention_sink_bias"] = sinks[1];
    if (Has(0, "attn_qkv.weight")) config_["attention_projection_layout"] = "fused_qkv";
    if (Has(0, "attn_q.bias")) config_["attention_bias"] = true;
    const StoredTensor* const embedding = find_("token_embd.weight");
    if (embedding != nullptr && embedding->shape.size() == 2) config_["vocab_size"] = embedding->shape[0];
    Json end_ids = Json::array();
    if (const GgufValue* const ids = Find("eos_token_ids"); ids != nullptr) {
      for (uint64_t i = 0; i < std::min(ids->count, kEndTokensMax); ++i) {
        const std::optional<int64_t> id = ids->Integer(i);
        if (id.has_value() && *id >= 0 && *id <= UINT32_MAX) end_ids.push_back(static_cast<uint64_t>(*id));
      }
    }
    for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
      const std::optional<int64_t> id = gguf_.Integer(key);
      if (!id.has_value() || *id < 0 || *id > UINT32_MAX) continue;
      const Json value = static_cast<uint64_t>(*id);
      if (std::find(end_ids.begin(), end_ids.end(), value) == end_ids.end()) end_ids.push_back(value);
    }
    if (!end_ids.empty()) config_["eos_token_id"] = std::move(end_ids);
  }

  const GgufFile& gguf_;
  const TensorFinder& find_;
  std::string_view file_name_;
  Json config_ = Json::object();
  uint64_t num_layers_ = 0;       // trunk
  uint64_t num_blocks_ = 0;       // trunk and MTP layers
  std::vector<bool> is_sliding_;  // [num_blocks_]
};

std::vector<std::string> CopyStrings(const GgufFile& gguf, std::string_view key) {
  const GgufValue* const value = gguf.Find(key);
  if (value == nullptr) return {};
  const std::vector<std::string_view> strings = value->Strings();
  return {strings.begin(), strings.end()};
}

}  // namespace

Result<Json> ConfigFromGguf(const GgufFile& gguf, const TensorFinder& find, std::string_view file_name) {
  const std::string_view architecture = gguf.String("general.architecture");
  if (architecture.empty()) {
    return InvalidArgument("'general.architecture' is missing ({})", file_name);
  }
  if (architecture != "mimo2") {
    return Unimplemented(
        "architecture '{}' is not supported ({}): of GGUF files, only mimo2 (MiMo-V2-Flash, "
        "V2.5, V2.5-Pro, V2.6) is accepted",
        architecture.substr(0, 80), file_name);
  }
  return Translator(gguf, find, file_name).Translate();
}

Result<TokenizerSource> TokenizerFromGguf(const GgufFile& gguf, std::string_view file_name) {
  TokenizerSource source;
  source.tokens = CopyStrings(gguf, "tokenizer.ggml.tokens");
  source.merges = CopyStrings(gguf, "tokenizer.ggml.merges");
  source.pre_tokenizer = gguf.String("tokenizer.ggml.pre");
  source.chat_template = gguf.String("tokenizer.chat_template");
  const GgufValue* const types = gguf.Find("tokenizer.ggml.token_type");
  if (types == nullptr) return source;
  if (types->count != source.tokens.size()) {
    return DataLoss("'tokenizer.ggml.token_type' has {} entries for {} tokens ({})", types->count,
                    source.tokens.size(), file_name);
  }
  source.token_types.reserve(types->count);
  for (uint64_t i = 0; i < types->count; ++i) {
    source.token_types.push_back(static_cast<int32_t>(types->Integer(i).value_or(1)));
  }
  return source;
}

}  // namespace mimo
