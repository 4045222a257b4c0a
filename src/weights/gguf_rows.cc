#include "weights/gguf_rows.h"

#include <utility>

#include "base/check.h"

namespace mimo {
namespace {

// Finds what a tensor of the GGUF table is made of.
class RowFinder {
 public:
  RowFinder(const ModelConfig& config, const ModelWeights& weights) : config_(config), weights_(weights) {}

  std::vector<RowRange> Find(const TensorSpec& spec) {
    ranges_.clear();
    if (spec.mtp_index != kNoIndex) {
      AddMtp(spec, weights_.mtp_layers[static_cast<size_t>(spec.mtp_index)]);
    } else if (spec.role == TensorRole::kEmbedTokens) {
      AddMatrix(weights_.embed_tokens);
    } else if (spec.role == TensorRole::kLmHead) {
      AddMatrix(weights_.lm_head);
    } else if (spec.role == TensorRole::kNorm) {
      AddVector(weights_.norm);
    } else {
      const auto layer = static_cast<size_t>(spec.layer_index);
      AddLayer(spec, weights_.layers[layer], config_.Attention(static_cast<uint32_t>(layer)));
    }
    return std::move(ranges_);
  }

 private:
  void AddRows(const MatrixView& matrix, uint32_t begin, uint32_t count) {
    const uint64_t first_row =
        ranges_.empty() ? 0 : ranges_.back().first_row + ranges_.back().end - ranges_.back().begin;
    ranges_.push_back({matrix, begin, begin + count, first_row});
  }

  void AddMatrix(const MatrixView& matrix) { AddRows(matrix, 0, matrix.rows); }

  void AddVector(const std::vector<float>& values) {
    MatrixView row;
    row.rows = 1;
    row.cols = static_cast<uint32_t>(values.size());
    row.data = reinterpret_cast<const std::byte*>(values.data());
    row.row_bytes = RowBytes(row.type, row.cols);
    AddMatrix(row);
  }

  // All query heads, then all key heads, then all value heads.
  void AddFlatQkv(const QkvProjection& qkv, const AttentionGeometry& geometry) {
    const MatrixView& matrix = qkv.parts[0].matrix;
    for (const uint32_t offset : qkv.q_offsets) AddRows(matrix, offset, geometry.head_dim);
    for (const uint32_t offset : qkv.k_offsets) AddRows(matrix, offset, geometry.head_dim);
    for (const uint32_t offset : qkv.v_offsets) AddRows(matrix, offset, geometry.v_head_dim);
  }

  void AddExperts(const std::vector<MlpWeights>& experts, MatrixView MlpWeights::*projection) {
    for (const MlpWeights& expert : experts) AddMatrix(expert.*projection);
  }

  void AddMtp(const TensorSpec& spec, const MtpWeights& mtp) {
    switch (spec.role) {
      case TensorRole::kMtpEmbeddingNorm:
        return AddVector(mtp.embedding_norm);
      case TensorRole::kMtpHiddenNorm:
        return AddVector(mtp.hidden_norm);
      case TensorRole::kMtpEhProj:
        return AddMatrix(mtp.eh_proj);
      case TensorRole::kMtpFinalLayernorm:
        return AddVector(mtp.final_layernorm);
      default:
        return AddLayer(spec, mtp.layer, config_.MtpAttention());
    }
  }

  void AddLayer(const TensorSpec& spec, const LayerWeights& layer, const AttentionGeometry& geometry) {
    const QkvProjection& qkv = layer.attention.qkv;
    switch (spec.role) {
      case TensorRole::kInputLayernorm:
        return AddVector(layer.input_layernorm);
      case TensorRole::kPostAttentionLayernorm:
        return AddVector(layer.post_attention_layernorm);
      case TensorRole::kQkvProj:
        return AddFlatQkv(qkv, geometry);
      case TensorRole::kQProj:
        return AddMatrix(qkv.parts[0].matrix);
      case TensorRole::kKProj:
        return AddMatrix(qkv.parts[1].matrix);
      case TensorRole::kVProj:
        return AddMatrix(qkv.parts[2].matrix);
      case TensorRole::kQBias:
        return AddVector(qkv.parts[0].bias);
      case TensorRole::kKBias:
        return AddVector(qkv.parts[1].bias);
      case TensorRole::kVBias:
        return AddVector(qkv.parts[2].bias);
      case TensorRole::kOProj:
        return AddMatrix(layer.attention.o_proj);
      case TensorRole::kSinks:
        return AddVector(layer.attention.sinks);
      default:
        return AddFeedForward(spec, layer);
    }
  }

  void AddFeedForward(const TensorSpec& spec, const LayerWeights& layer) {
    switch (spec.role) {
      case TensorRole::kGateProj:
        return AddMatrix(layer.mlp.gate_proj);
      case TensorRole::kUpProj:
        return AddMatrix(layer.mlp.up_proj);
      case TensorRole::kDownProj:
        return AddMatrix(layer.mlp.down_proj);
      case TensorRole::kRouter:
        return AddMatrix(layer.moe.router);
      case TensorRole::kRouterBias:
        return AddVector(layer.moe.e_score_correction_bias);
      case TensorRole::kExpertGateProj:
        return AddExperts(layer.moe.experts, &MlpWeights::gate_proj);
      case TensorRole::kExpertUpProj:
        return AddExperts(layer.moe.experts, &MlpWeights::up_proj);
      case TensorRole::kExpertDownProj:
        return AddExperts(layer.moe.experts, &MlpWeights::down_proj);
      default:
        MIMO_CHECK(false);  // Find took the others
    }
  }

  const ModelConfig& config_;
  const ModelWeights& weights_;
  std::vector<RowRange> ranges_;
};

}  // namespace

ModelConfig GgufConfigOf(const ModelConfig& config) {
  ModelConfig output = config;
  output.qkv_chunks = 1;
  output.tie_word_embeddings = false;
  return output;
}

std::vector<RowRange> FindGgufRows(const ModelConfig& config, const ModelWeights& weights,
                                   const TensorSpec& spec) {
  return RowFinder(config, weights).Find(spec);
}

}  // namespace mimo
