#pragma once
// The tensors of a checkpoint, arranged as the forward pass reads them.

#include <cstdint>
#include <vector>

#include "kernels/matrix_view.h"
#include "weights/model_config.h"

namespace mimo {

// Where the heads of a fused or split q/k/v product stand. All three products of a token are written into one
// buffer `qkv` of `width` floats, by one matrix (fused) or three (split, at offsets). Query head h begins at
// q_offsets[h], key and value head g at k_offsets[g] and v_offsets[g]. For a fused per-rank chunked matrix
// the heads simply stand in chunk order, so that nothing is moved or dequantised at load.
struct QkvProjection {
  struct Part {
    MatrixView matrix;
    uint32_t offset = 0;      // of this matrix's output in the buffer
    std::vector<float> bias;  // [matrix.rows] or empty
  };
  std::vector<Part> parts;  // one or three
  uint32_t width = 0;
  std::vector<uint32_t> q_offsets;  // [num_attention_heads]
  std::vector<uint32_t> k_offsets;  // [num_key_value_heads]
  std::vector<uint32_t> v_offsets;  // [num_key_value_heads]
};

struct AttentionWeights {
  QkvProjection qkv;
  MatrixView o_proj;         // [hidden_size, num_attention_heads * v_head_dim]
  std::vector<float> sinks;  // [num_attention_heads] or empty
};

struct MlpWeights {
  MatrixView gate_proj;  // [intermediate, hidden_size]
  MatrixView up_proj;    // [intermediate, hidden_size]
  MatrixView down_proj;  // [hidden_size, intermediate]
};

struct MoeWeights {
  MatrixView router;                           // [n_routed_experts, hidden_size]
  std::vector<float> e_score_correction_bias;  // [n_routed_experts]
  std::vector<MlpWeights> experts;             // [n_routed_experts]
};

struct LayerWeights {
  std::vector<float> input_layernorm;  // [hidden_size]
  AttentionWeights attention;
  std::vector<float> post_attention_layernorm;  // [hidden_size]; "pre_mlp_layernorm" in a V2 MTP layer
  MlpWeights mlp;                               // a dense layer, else empty
  MoeWeights moe;                               // a sparse layer, else empty
};

// One multi-token-prediction layer: z = eh_proj . concat(norm(embedding), norm(hidden)), one decoder layer, a
// norm, the shared head. V2 puts the embedding half first, MiMo-7B the hidden half.
struct MtpWeights {
  std::vector<float> embedding_norm;  // enorm / token_layernorm [hidden_size]
  std::vector<float> hidden_norm;     // hnorm / hidden_layernorm [hidden_size]
  MatrixView eh_proj;                 // [hidden_size, 2 * hidden_size]
  bool embedding_first = true;
  LayerWeights layer;                  // always dense
  std::vector<float> final_layernorm;  // [hidden_size]
};

// Views into a Checkpoint, which must outlive this; the small vectors are owned.
struct ModelWeights {
  MatrixView embed_tokens;  // [vocab_size, hidden_size]
  std::vector<LayerWeights> layers;
  std::vector<float> norm;  // [hidden_size]
  MatrixView lm_head;       // [vocab_size, hidden_size]
  std::vector<MtpWeights> mtp_layers;
};

class Checkpoint;

// Finds every tensor that the configuration calls for and checks its type, shape and scales. The first error
// names tensor, file and offset.
Result<ModelWeights> BindModelWeights(const Checkpoint& checkpoint);

}  // namespace mimo
