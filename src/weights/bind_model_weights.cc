// Arranges the tensors of a checkpoint as the forward pass reads them: matrices as views into the mapping,
// small vectors as owned float32. Walks the tensor table once; what a tensor must look like stands there.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "weights/checkpoint.h"
#include "weights/model_weights.h"
#include "weights/stored_type.h"
#include "weights/tensor_table.h"

namespace mimo {
namespace {

uint64_t CeilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

std::string ShapeText(const std::vector<uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ","));
}

// Where the heads of each of q, k and v stand in the product of a fused matrix of `chunks` row chunks
// [Q | K | V].
void SetFusedOffsets(const AttentionGeometry& geometry, uint32_t chunks, QkvProjection& qkv) {
  const uint32_t q_heads = geometry.num_attention_heads / chunks;
  const uint32_t kv_heads = geometry.num_key_value_heads / chunks;
  uint32_t at = 0;
  const auto add = [&at](std::vector<uint32_t>& offsets, uint32_t count, uint32_t head_dim) {
    for (uint32_t i = 0; i < count; ++i, at += head_dim) offsets.push_back(at);
  };
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    add(qkv.q_offsets, q_heads, geometry.head_dim);
    add(qkv.k_offsets, kv_heads, geometry.head_dim);
    add(qkv.v_offsets, kv_heads, geometry.v_head_dim);
  }
  qkv.width = at;
}

class WeightBinder {
 public:
  explicit WeightBinder(const Checkpoint& checkpoint)
      : checkpoint_(checkpoint), config_(checkpoint.config()) {}

  Result<ModelWeights> Bind() {
    MIMO_RETURN_IF_ERROR(CheckChunks());
    weights_.layers.resize(config_.num_hidden_layers);
    weights_.mtp_layers.resize(config_.num_nextn_predict_layers);
    for (uint32_t i = 0; i < config_.num_hidden_layers; ++i) {
      PrepareQkv(config_.Attention(i), weights_.layers[i].attention.qkv);
      if (config_.is_sparse[i]) weights_.layers[i].moe.experts.resize(config_.n_routed_experts);
    }
    for (MtpWeights& mtp : weights_.mtp_layers) {
      mtp.embedding_first = config_.family == ModelFamily::kMimoV2;
      PrepareQkv(config_.MtpAttention(), mtp.layer.attention.qkv);
    }
    const CheckpointFormat format =
        checkpoint_.is_gguf() ? CheckpointFormat::kGguf : CheckpointFormat::kSafetensors;
    for (const TensorSpec& spec : TensorTable(config_, format)) MIMO_RETURN_IF_ERROR(BindTensor(spec));
    if (config_.tie_word_embeddings) weights_.lm_head = weights_.embed_tokens;
    return std::move(weights_);
  }

 private:
  Status CheckChunks() const {
    if (!config_.fused_qkv) return {};
    for (const AttentionGeometry& kind : {config_.full_attention, config_.sliding_attention}) {
      if (kind.num_attention_heads % config_.qkv_chunks == 0 &&
          kind.num_key_value_heads % config_.qkv_chunks == 0) {
        continue;
      }
      return InvalidArgument(
          "{} query and {} key-value heads cannot be cut into the {} row chunks of the fused qkv_proj ({})",
          kind.num_attention_heads, kind.num_key_value_heads, config_.qkv_chunks, checkpoint_.path());
    }
    return {};
  }

  void PrepareQkv(const AttentionGeometry& geometry, QkvProjection& qkv) const {
    if (config_.fused_qkv) {
      qkv.parts.resize(1);
      SetFusedOffsets(geometry, config_.qkv_chunks, qkv);
      return;
    }
    // Three products side by side place the heads like a fused matrix of one chunk.
    SetFusedOffsets(geometry, 1, qkv);
    qkv.parts.resize(3);
    qkv.parts[1].offset = qkv.k_offsets.front();
    qkv.parts[2].offset = qkv.v_offsets.front();
  }

  Status BindTensor(const TensorSpec& spec) {
    switch (spec.role) {
      case TensorRole::kEmbedTokens:
        return BindMatrix(spec, weights_.embed_tokens);
      case TensorRole::kNorm:
        return BindVector(spec, weights_.norm);
      case TensorRole::kLmHead:
        return BindMatrix(spec, weights_.lm_head);
      case TensorRole::kMtpEmbeddingNorm:
        return BindVector(spec, Mtp(spec).embedding_norm);
      case TensorRole::kMtpHiddenNorm:
        return BindVector(spec, Mtp(spec).hidden_norm);
      case TensorRole::kMtpEhProj:
        return BindMatrix(spec, Mtp(spec).eh_proj);
      case TensorRole::kMtpFinalLayernorm:
        return BindVector(spec, Mtp(spec).final_layernorm);
      default:
        return BindLayerTensor(spec, spec.mtp_index != kNoIndex
                                         ? Mtp(spec).layer
                                         : weights_.layers[static_cast<size_t>(spec.layer_index)]);
    }
  }

  MtpWeights& Mtp(const TensorSpec& spec) { return weights_.mtp_layers[static_cast<size_t>(spec.mtp_index)]; }

  Status BindLayerTensor(const TensorSpec& spec, LayerWeights& layer) {
    std::vector<QkvProjection::Part>& parts = layer.attention.qkv.parts;
    switch (spec.role) {
      case TensorRole::kInputLayernorm:
        return BindVector(spec, layer.input_layernorm);
      case TensorRole::kPostAttentionLayernorm:
        return BindVector(spec, layer.post_attention_layernorm);
      case TensorRole::kQkvProj:
      case TensorRole::kQProj:
        return BindMatrix(spec, parts[0].matrix);
      case TensorRole::kKProj:
        return BindMatrix(spec, parts[1].matrix);
      case TensorRole::kVProj:
        return BindMatrix(spec, parts[2].matrix);
      case TensorRole::kQBias:
        return BindVector(spec, parts[0].bias);
      case TensorRole::kKBias:
        return BindVector(spec, parts[1].bias);
      case TensorRole::kVBias:
        return BindVector(spec, parts[2].bias);
      case TensorRole::kOProj:
        return BindMatrix(spec, layer.attention.o_proj);
      case TensorRole::kSinks:
        return BindVector(spec, layer.attention.sinks);
      case TensorRole::kGateProj:
        return BindMatrix(spec, layer.mlp.gate_proj);
      case TensorRole::kUpProj:
        return BindMatrix(spec, layer.mlp.up_proj);
      case TensorRole::kDownProj:
        return BindMatrix(spec, layer.mlp.down_proj);
      case TensorRole::kRouter:
        return BindMatrix(spec, layer.moe.router);
      case TensorRole::kRouterBias:
        return BindVector(spec, layer.moe.e_score_correction_bias);
      case TensorRole::kExpertGateProj:
        return BindExperts(spec, layer.moe.experts, &MlpWeights::gate_proj);
      case TensorRole::kExpertUpProj:
        return BindExperts(spec, layer.moe.experts, &MlpWeights::up_proj);
      case TensorRole::kExpertDownProj:
        return BindExperts(spec, layer.moe.experts, &MlpWeights::down_proj);
      default:
        MIMO_CHECK(false);  // BindTensor took the others
    }
  }

  // The tensor of the spec, with a type and shape that the spec allows.
  Result<const StoredTensor*> FindStored(const TensorSpec& spec) const {
    const StoredTensor* const tensor = checkpoint_.Find(spec.name);
    if (tensor == nullptr) {
      return NotFound("tensor '{}' of shape {} is missing ({})", spec.name, ShapeText(spec.shape),
                      checkpoint_.path());
    }
    if (tensor->type == StoredType::kGgufQuantized) {
      return Unimplemented(
          "tensor '{}' is stored as {} ({}): this quantised type cannot be read, take another file of the "
          "model",
          spec.name, tensor->type_name, checkpoint_.Where(*tensor));
    }
    const bool plain = tensor->type == StoredType::kF32 || tensor->type == StoredType::kF16 ||
                       tensor->type == StoredType::kBf16;
    const bool fp8 = tensor->type == StoredType::kFp8E4M3 && spec.quantized_forms != QuantizedForms::kNone;
    const bool mxfp4 = tensor->type == StoredType::kU8 && spec.quantized_forms == QuantizedForms::kFp8OrMxFp4;
    // The parser made sure that rows are whole blocks.
    const bool blocks = IsBlockType(tensor->type) && spec.shape.size() > 1;
    if (!plain && !fp8 && !mxfp4 && !blocks) {
      return InvalidArgument("tensor '{}' must not be of type {} ({})", spec.name, tensor->type_name,
                             checkpoint_.Where(*tensor));
    }
    const std::vector<uint64_t> shape = StoredShape(spec, tensor->type);
    if (tensor->shape != shape || (mxfp4 && spec.shape[1] % kMxFp4BlockSize != 0)) {
      return InvalidArgument("tensor '{}' has the shape {}, the configuration needs {} ({})", spec.name,
                             ShapeText(tensor->shape), ShapeText(shape), checkpoint_.Where(*tensor));
    }
    return tensor;
  }

  // Requires: a tensor that FindStored gave.
  static WeightType TypeOf(const StoredTensor& tensor) {
    const std::optional<WeightType> type = WeightTypeOf(tensor.type);
    MIMO_CHECK(type.has_value());
    return *type;
  }

  // A plain vector becomes float32.
  Status BindVector(const TensorSpec& spec, std::vector<float>& out) const {
    MIMO_ASSIGN_OR_RETURN(const StoredTensor* const tensor, FindStored(spec));
    MatrixView row;
    row.type = TypeOf(*tensor);
    row.rows = 1;
    row.cols = static_cast<uint32_t>(spec.shape[0]);
    row.data = tensor->data.data();
    row.row_bytes = RowBytes(row.type, row.cols);
    out.resize(row.cols);
    DequantizeRow(row, 0, out.data());
    return {};
  }

  Status BindMatrix(const TensorSpec& spec, MatrixView& out) const {
    MIMO_ASSIGN_OR_RETURN(const StoredTensor* const tensor, FindStored(spec));
    out.type = TypeOf(*tensor);
    out.rows = static_cast<uint32_t>(spec.shape[0]);
    out.cols = static_cast<uint32_t>(spec.shape[1]);
    out.data = tensor->data.data();
    out.row_bytes = RowBytes(out.type, out.cols);
    MIMO_ASSIGN_OR_RETURN(const StoredTensor* const scale, FindScale(spec, *tensor));
    if (scale == nullptr) return {};
    out.scales = scale->data.data();
    if (out.type == WeightType::kFp8E4M3) return SetScaleGrid(spec, *scale, out);
    return CheckShape(*scale, ScaleShape(spec, tensor->type));
  }

  // The companion of the tensor, whose shape is not checked yet. Null when the type has none, or when it may
  // be missing, as that of nvfp4 may.
  Result<const StoredTensor*> FindScale(const TensorSpec& spec, const StoredTensor& tensor) const {
    const std::string name = ScaleName(spec, tensor.type);
    if (name.empty()) return nullptr;
    const StoredTensor* const scale = checkpoint_.Find(name);
    if (scale == nullptr) {
      if (tensor.type == StoredType::kNvFp4) return nullptr;
      return NotFound("tensor '{}' is missing, which scales '{}' ({})", name, spec.name,
                      checkpoint_.Where(tensor));
    }
    const StoredType scale_type = tensor.type == StoredType::kU8 ? StoredType::kU8 : StoredType::kF32;
    if (scale->type != scale_type) {
      return InvalidArgument("scales '{}' must not be of type {} ({})", name, scale->type_name,
                             checkpoint_.Where(*scale));
    }
    return scale;
  }

  Status CheckShape(const StoredTensor& scale, const std::vector<uint64_t>& expected) const {
    if (scale.shape == expected) return {};
    return InvalidArgument("scales '{}' have the shape {}, the weight needs {} ({})", scale.name,
                           ShapeText(scale.shape), ShapeText(expected), checkpoint_.Where(scale));
  }

  // The row count of the scales tells whether the grid starts anew in each row chunk: V2-Flash's k_proj of
  // full attention has 4 * ceil(192 / 128) = 8 scale rows where a plain grid has ceil(768 / 128) = 6.
  Status SetScaleGrid(const TensorSpec& spec, const StoredTensor& scale, MatrixView& out) const {
    const uint64_t plain_rows = CeilDiv(out.rows, kFp8BlockSize);
    const bool must_be_chunked = spec.role == TensorRole::kQkvProj;
    const std::vector<uint64_t> plain_shape = {plain_rows, CeilDiv(out.cols, kFp8BlockSize)};
    out.rows_per_chunk = out.rows;
    if (!must_be_chunked && scale.shape == plain_shape) return {};
    if (out.rows % spec.scale_chunks == 0) out.rows_per_chunk = out.rows / spec.scale_chunks;
    return CheckShape(scale, ScaleShape(spec, StoredType::kFp8E4M3));
  }

  Status BindExperts(const TensorSpec& spec, std::vector<MlpWeights>& experts,
                     MatrixView MlpWeights::*projection) const {
    if (spec.expert_index != kNoIndex) {
      return BindMatrix(spec, experts[static_cast<size_t>(spec.expert_index)].*projection);
    }
    // GGUF: [n_routed_experts, out, in], one expert after the other.
    MIMO_ASSIGN_OR_RETURN(const StoredTensor* const tensor, FindStored(spec));
    MIMO_ASSIGN_OR_RETURN(const StoredTensor* const scale, FindScale(spec, *tensor));
    if (scale != nullptr) MIMO_RETURN_IF_ERROR(CheckShape(*scale, ScaleShape(spec, tensor->type)));
    const std::byte* data = tensor->data.data();
    const std::byte* scales = scale == nullptr ? nullptr : scale->data.data();
    for (MlpWeights& expert : experts) {
      MatrixView& view = expert.*projection;
      view.type = TypeOf(*tensor);
      view.rows = static_cast<uint32_t>(spec.shape[1]);
      view.cols = static_cast<uint32_t>(spec.shape[2]);
      view.data = data;
      view.row_bytes = RowBytes(view.type, view.cols);
      data += view.row_bytes * view.rows;
      if (scales == nullptr) continue;
      view.scales = scales;
      scales += sizeof(float);
    }
    return {};
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  ModelWeights weights_;
};

}  // namespace

Result<ModelWeights> BindModelWeights(const Checkpoint& checkpoint) {
  return WeightBinder(checkpoint).Bind();
}

}  // namespace mimo
