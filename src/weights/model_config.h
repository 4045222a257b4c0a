#pragma once
// The hyper-parameters of one checkpoint, under the names of the published config.json.
// Facts and their sources: docs/formats/checkpoints.md.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace mimo {

// One kind of attention. A model has up to two: full attention and sliding-window attention.
struct AttentionGeometry {
  uint32_t num_attention_heads = 0;
  uint32_t num_key_value_heads = 0;
  uint32_t head_dim = 0;    // of queries and keys
  uint32_t v_head_dim = 0;  // of values
  uint32_t rotary_dim = 0;  // leading dimensions of q and k that rotate; even
  float rope_theta = 0;
  uint32_t window = 0;     // visible keys, the query's own included; 0 = all
  bool has_sinks = false;  // a learned logit per query head joins the softmax denominator

  bool operator==(const AttentionGeometry&) const = default;
};

enum class ModelFamily {
  kMimo,    // MiMo-7B: dense, QKV bias, full attention only
  kMimoV2,  // V2-Flash, V2.5, V2.5-Pro, V2.6: sparse, hybrid attention
};

struct ModelConfig {
  ModelFamily family = ModelFamily::kMimoV2;
  std::string architecture;  // config.json "architectures"[0], or "mimo2" from GGUF
  uint32_t hidden_size = 0;
  uint32_t num_hidden_layers = 0;
  uint32_t vocab_size = 0;
  uint32_t max_position_embeddings = 0;
  uint32_t intermediate_size = 0;      // dense MLP of layer 0 and of MTP layers
  uint32_t moe_intermediate_size = 0;  // one expert
  uint32_t n_routed_experts = 0;       // 0 = no layer is sparse
  uint32_t num_experts_per_tok = 0;
  bool norm_topk_prob = true;
  float routed_scaling_factor = 1.0F;
  float layernorm_epsilon = 1e-5F;
  float attention_value_scale = 1.0F;
  bool attention_bias = false;  // biases on q, k and v (MiMo-7B)
  bool fused_qkv = false;       // one qkv_proj instead of q, k and v
  // Equal row chunks [Q | K | V] of a fused qkv_proj, in each of which the FP8 scale grid starts anew; the
  // scale grids of split q, k and v may follow the same chunks. num_key_value_heads of full attention unless
  // the index names a tp_size; 1 in GGUF, whose fused matrix is flat.
  uint32_t qkv_chunks = 1;
  bool tie_word_embeddings = false;
  AttentionGeometry full_attention;
  AttentionGeometry sliding_attention;
  std::vector<bool> is_sliding;           // [num_hidden_layers], hybrid_layer_pattern
  std::vector<bool> is_sparse;            // [num_hidden_layers], moe_layer_freq
  uint32_t num_nextn_predict_layers = 0;  // MTP layers present in the files (config.json may omit the key)
  bool mtp_is_sliding = true;
  std::vector<uint32_t> eos_token_ids;  // config.json and generation_config.json together

  const AttentionGeometry& Attention(uint32_t layer_index) const {
    return is_sliding[layer_index] ? sliding_attention : full_attention;
  }
  const AttentionGeometry& MtpAttention() const {
    return mtp_is_sliding ? sliding_attention : full_attention;
  }
};

// One `--override KEY=VALUE`, applied to config.json (or to the same key read from GGUF) before it is
// interpreted.
using ConfigOverride = std::pair<std::string, std::string>;

// Reads a config.json of the MiMo family and checks every value for range and consistency. kInvalidArgument
// names the key; kUnimplemented names the architecture and the accepted ones.
Result<ModelConfig> ParseModelConfig(std::string_view config_json,
                                     const std::vector<ConfigOverride>& overrides);

}  // namespace mimo
