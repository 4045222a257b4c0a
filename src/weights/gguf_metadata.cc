#include "weights/gguf_metadata.h"

#include <fmt/core.h>

#include <string>
#include <vector>

#include "base/check.h"

namespace mimo {
namespace {

constexpr uint32_t kSigmoidGating = 2;
constexpr int32_t kTokenNormal = 1;
constexpr int32_t kTokenUnused = 5;

// On-disk values of general.file_type: the plainest mixture of llama.cpp that is mostly of the type.
uint32_t FileType(StoredType type) {
  switch (type) {
    case StoredType::kF32:
      return 0;
    case StoredType::kF16:
      return 1;
    case StoredType::kQ40:
      return 2;
    case StoredType::kQ41:
      return 3;
    case StoredType::kQ80:
      return 7;
    case StoredType::kQ50:
      return 8;
    case StoredType::kQ51:
      return 9;
    case StoredType::kQ2K:
      return 10;
    case StoredType::kQ3K:
      return 11;
    case StoredType::kQ4K:
      return 14;
    case StoredType::kQ5K:
      return 16;
    case StoredType::kQ6K:
      return 18;
    case StoredType::kIq4Nl:
      return 25;
    case StoredType::kIq4Xs:
      return 30;
    case StoredType::kMxFp4Block:
      return 38;
    default:
      return 32;  // bf16
  }
}

void AddGeometry(const ModelConfig& config, GgufHeaderBuilder* gguf) {
  gguf->AddUint32("mimo2.block_count", config.num_hidden_layers + config.num_nextn_predict_layers);
  gguf->AddUint32("mimo2.context_length", config.max_position_embeddings);
  gguf->AddUint32("mimo2.embedding_length", config.hidden_size);
  gguf->AddUint32("mimo2.feed_forward_length", config.intermediate_size);
  gguf->AddUint32("mimo2.vocab_size", config.vocab_size);
  gguf->AddFloat32("mimo2.attention.layer_norm_rms_epsilon", config.layernorm_epsilon);
  if (config.n_routed_experts > 0) {
    gguf->AddUint32("mimo2.expert_count", config.n_routed_experts);
    gguf->AddUint32("mimo2.expert_used_count", config.num_experts_per_tok);
    gguf->AddFloat32("mimo2.expert_weights_scale", config.routed_scaling_factor);
  }
  gguf->AddUint32("mimo2.expert_feed_forward_length", config.moe_intermediate_size);
  gguf->AddUint32("mimo2.expert_gating_func", kSigmoidGating);
  gguf->AddBool("mimo2.expert_weights_norm", config.norm_topk_prob);
  if (config.num_nextn_predict_layers > 0) {
    gguf->AddUint32("mimo2.nextn_predict_layers", config.num_nextn_predict_layers);
  }
}

void AddAttention(const ModelConfig& config, GgufHeaderBuilder* gguf) {
  std::vector<bool> is_sliding = config.is_sliding;
  is_sliding.resize(config.num_hidden_layers + config.num_nextn_predict_layers, config.mtp_is_sliding);
  std::vector<uint32_t> kv_heads;
  kv_heads.reserve(is_sliding.size());
  for (const bool sliding : is_sliding) {
    kv_heads.push_back((sliding ? config.sliding_attention : config.full_attention).num_key_value_heads);
  }
  const AttentionGeometry& full = config.full_attention;
  gguf->AddUint32("mimo2.attention.head_count", full.num_attention_heads);
  gguf->AddUint32Array("mimo2.attention.head_count_kv", kv_heads);
  gguf->AddUint32("mimo2.attention.key_length", full.head_dim);
  gguf->AddUint32("mimo2.attention.value_length", full.v_head_dim);
  gguf->AddUint32("mimo2.attention.sliding_window", config.sliding_attention.window);
  gguf->AddBoolArray("mimo2.attention.sliding_window_pattern", is_sliding);
  gguf->AddFloat32("mimo2.attention.value_scale", config.attention_value_scale);
  gguf->AddUint32("mimo2.rope.dimension_count", full.rotary_dim);
  gguf->AddFloat32("mimo2.rope.freq_base", full.rope_theta);
  gguf->AddFloat32("mimo2.rope.freq_base_swa", config.sliding_attention.rope_theta);
}

}  // namespace

void AddGgufGeneral(std::string_view name, StoredType type, GgufHeaderBuilder* gguf) {
  gguf->AddString("general.architecture", "mimo2");
  gguf->AddString("general.type", "model");
  gguf->AddString("general.name", name);
  gguf->AddUint32("general.file_type", FileType(type));
  gguf->AddUint32("general.quantization_version", 2);
}

void AddGgufConfig(const ModelConfig& config, GgufHeaderBuilder* gguf) {
  AddGeometry(config, gguf);
  AddAttention(config, gguf);
  if (config.architecture != "mimo2") gguf->AddString("mimo2.source_architecture", config.architecture);
}

void AddGgufTokenizer(const TokenizerSource& source, const ModelConfig& config, GgufHeaderBuilder* gguf) {
  MIMO_CHECK(source.tokens.size() <= config.vocab_size);
  // The format names one id; the private key, which other readers skip, has all.
  if (!config.eos_token_ids.empty()) {
    gguf->AddUint32("tokenizer.ggml.eos_token_id", config.eos_token_ids.front());
    gguf->AddUint32Array("mimo2.eos_token_ids", config.eos_token_ids);
  }
  if (source.tokens.empty()) return gguf->AddString("tokenizer.ggml.model", "none");
  std::vector<std::string> tokens = source.tokens;
  std::vector<int32_t> types = source.token_types;
  types.resize(tokens.size(), kTokenNormal);
  for (size_t id = tokens.size(); id < config.vocab_size; ++id) {
    tokens.push_back(fmt::format("[PAD{}]", id));
    types.push_back(kTokenUnused);
  }
  gguf->AddString("tokenizer.ggml.model", "gpt2");
  gguf->AddString("tokenizer.ggml.pre", source.pre_tokenizer.empty() ? "qwen2" : source.pre_tokenizer);
  gguf->AddStringArray("tokenizer.ggml.tokens", tokens);
  gguf->AddInt32Array("tokenizer.ggml.token_type", types);
  gguf->AddStringArray("tokenizer.ggml.merges", source.merges);
  gguf->AddBool("tokenizer.ggml.add_bos_token", false);
  if (!source.chat_template.empty()) gguf->AddString("tokenizer.chat_template", source.chat_template);
}

}  // namespace mimo
