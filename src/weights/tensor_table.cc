#include "weights/tensor_table.h"

#include <fmt/core.h>

#include <utility>

#include "base/check.h"
#include "kernels/matrix_view.h"

namespace mimo {
namespace {

// What one format calls the part of a name after the layer's prefix.
struct LayerTensorName {
  TensorRole role;
  const char* safetensors;
  const char* gguf;
};

constexpr LayerTensorName kLayerNames[] = {
    {TensorRole::kInputLayernorm, "input_layernorm.weight", "attn_norm.weight"},
    {TensorRole::kQkvProj, "self_attn.qkv_proj.weight", "attn_qkv.weight"},
    {TensorRole::kQProj, "self_attn.q_proj.weight", "attn_q.weight"},
    {TensorRole::kKProj, "self_attn.k_proj.weight", "attn_k.weight"},
    {TensorRole::kVProj, "self_attn.v_proj.weight", "attn_v.weight"},
    {TensorRole::kQBias, "self_attn.q_proj.bias", "attn_q.bias"},
    {TensorRole::kKBias, "self_attn.k_proj.bias", "attn_k.bias"},
    {TensorRole::kVBias, "self_attn.v_proj.bias", "attn_v.bias"},
    {TensorRole::kOProj, "self_attn.o_proj.weight", "attn_output.weight"},
    {TensorRole::kSinks, "self_attn.attention_sink_bias", "attn_sinks.weight"},
    {TensorRole::kPostAttentionLayernorm, "post_attention_layernorm.weight", "ffn_norm.weight"},
    {TensorRole::kGateProj, "mlp.gate_proj.weight", "ffn_gate.weight"},
    {TensorRole::kUpProj, "mlp.up_proj.weight", "ffn_up.weight"},
    {TensorRole::kDownProj, "mlp.down_proj.weight", "ffn_down.weight"},
    {TensorRole::kRouter, "mlp.gate.weight", "ffn_gate_inp.weight"},
    {TensorRole::kRouterBias, "mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {TensorRole::kExpertGateProj, "gate_proj.weight", "ffn_gate_exps.weight"},
    {TensorRole::kExpertUpProj, "up_proj.weight", "ffn_up_exps.weight"},
    {TensorRole::kExpertDownProj, "down_proj.weight", "ffn_down_exps.weight"},
};

// The MTP layers' own tensors, and the norm that V2 renames there.
struct MtpTensorName {
  TensorRole role;
  const char* mimo_v2;
  const char* mimo;
  const char* gguf;
};

constexpr MtpTensorName kMtpNames[] = {
    {TensorRole::kMtpEmbeddingNorm, "enorm.weight", "token_layernorm.weight", "nextn.enorm.weight"},
    {TensorRole::kMtpHiddenNorm, "hnorm.weight", "hidden_layernorm.weight", "nextn.hnorm.weight"},
    {TensorRole::kMtpEhProj, "eh_proj.weight", "input_proj.weight", "nextn.eh_proj.weight"},
    {TensorRole::kPostAttentionLayernorm, "pre_mlp_layernorm.weight", "post_attention_layernorm.weight",
     "ffn_norm.weight"},
    {TensorRole::kMtpFinalLayernorm, "final_layernorm.weight", "final_layernorm.weight",
     "nextn.shared_head_norm.weight"},
};

uint64_t CeilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// Collects the specs of one table; the current layer's indices and prefix are state.
class TableBuilder {
 public:
  TableBuilder(const ModelConfig& config, CheckpointFormat format)
      : config_(config), gguf_(format == CheckpointFormat::kGguf), hidden_(config.hidden_size) {}

  std::vector<TensorSpec> Build() {
    AddNamed(TensorRole::kEmbedTokens, gguf_ ? "token_embd.weight" : "model.embed_tokens.weight",
             {config_.vocab_size, hidden_});
    for (uint32_t layer = 0; layer < config_.num_hidden_layers; ++layer) AddTrunkLayer(layer);
    layer_index_ = kNoIndex;
    AddNamed(TensorRole::kNorm, gguf_ ? "output_norm.weight" : "model.norm.weight", {hidden_});
    if (!config_.tie_word_embeddings) {
      AddNamed(TensorRole::kLmHead, gguf_ ? "output.weight" : "lm_head.weight",
               {config_.vocab_size, hidden_});
    }
    for (uint32_t k = 0; k < config_.num_nextn_predict_layers; ++k) AddMtpLayer(k);
    return std::move(table_);
  }

 private:
  TensorSpec& AddNamed(TensorRole role, std::string name, std::vector<uint64_t> shape) {
    TensorSpec spec;
    spec.role = role;
    spec.layer_index = layer_index_;
    spec.mtp_index = mtp_index_;
    spec.name = std::move(name);
    spec.shape = std::move(shape);
    table_.push_back(std::move(spec));
    return table_.back();
  }

  std::string LayerName(TensorRole role) const {
    if (mtp_index_ != kNoIndex) {
      for (const MtpTensorName& entry : kMtpNames) {
        if (entry.role != role) continue;
        const char* name = config_.family == ModelFamily::kMimoV2 ? entry.mimo_v2 : entry.mimo;
        return prefix_ + (gguf_ ? entry.gguf : name);
      }
    }
    for (const LayerTensorName& entry : kLayerNames) {
      if (entry.role == role) return prefix_ + (gguf_ ? entry.gguf : entry.safetensors);
    }
    MIMO_CHECK(false);
  }

  TensorSpec& Add(TensorRole role, std::vector<uint64_t> shape) {
    return AddNamed(role, LayerName(role), std::move(shape));
  }

  void AddTrunkLayer(uint32_t layer) {
    layer_index_ = static_cast<int32_t>(layer);
    prefix_ = fmt::format("{}{}.", gguf_ ? "blk." : "model.layers.", layer);
    Add(TensorRole::kInputLayernorm, {hidden_});
    AddAttention(config_.Attention(layer));
    Add(TensorRole::kPostAttentionLayernorm, {hidden_});
    if (config_.is_sparse[layer]) {
      AddMoe();
    } else {
      AddDenseMlp();
    }
  }

  void AddMtpLayer(uint32_t mtp_index) {
    mtp_index_ = static_cast<int32_t>(mtp_index);
    prefix_ = MtpPrefix(config_, gguf_ ? CheckpointFormat::kGguf : CheckpointFormat::kSafetensors, mtp_index);
    Add(TensorRole::kMtpEmbeddingNorm, {hidden_});
    Add(TensorRole::kMtpHiddenNorm, {hidden_});
    Add(TensorRole::kMtpEhProj, {hidden_, 2 * hidden_});
    Add(TensorRole::kInputLayernorm, {hidden_});
    AddAttention(config_.MtpAttention());
    Add(TensorRole::kPostAttentionLayernorm, {hidden_});
    AddDenseMlp();
    Add(TensorRole::kMtpFinalLayernorm, {hidden_});
  }

  void AddAttention(const AttentionGeometry& geometry) {
    const uint64_t q_rows = uint64_t{geometry.num_attention_heads} * geometry.head_dim;
    const uint64_t k_rows = uint64_t{geometry.num_key_value_heads} * geometry.head_dim;
    const uint64_t v_rows = uint64_t{geometry.num_key_value_heads} * geometry.v_head_dim;
    if (config_.fused_qkv) {
      AddProjection(TensorRole::kQkvProj, q_rows + k_rows + v_rows);
    } else {
      AddProjection(TensorRole::kQProj, q_rows);
      AddProjection(TensorRole::kKProj, k_rows);
      AddProjection(TensorRole::kVProj, v_rows);
    }
    if (config_.attention_bias) {
      Add(TensorRole::kQBias, {q_rows});
      Add(TensorRole::kKBias, {k_rows});
      Add(TensorRole::kVBias, {v_rows});
    }
    if (geometry.has_sinks) Add(TensorRole::kSinks, {geometry.num_attention_heads});
    Add(TensorRole::kOProj, {hidden_, uint64_t{geometry.num_attention_heads} * geometry.v_head_dim})
        .quantized_forms = QuantizedForms::kFp8;
  }

  void AddProjection(TensorRole role, uint64_t rows) {
    TensorSpec& spec = Add(role, {rows, hidden_});
    spec.quantized_forms = QuantizedForms::kFp8;
    spec.scale_chunks = gguf_ ? 1 : config_.qkv_chunks;
  }

  void AddDenseMlp() {
    const uint64_t intermediate = config_.intermediate_size;
    Add(TensorRole::kGateProj, {intermediate, hidden_}).quantized_forms = QuantizedForms::kFp8;
    Add(TensorRole::kUpProj, {intermediate, hidden_}).quantized_forms = QuantizedForms::kFp8;
    Add(TensorRole::kDownProj, {hidden_, intermediate}).quantized_forms = QuantizedForms::kFp8;
  }

  void AddMoe() {
    const uint64_t experts = config_.n_routed_experts;
    const uint64_t intermediate = config_.moe_intermediate_size;
    Add(TensorRole::kRouter, {experts, hidden_});
    Add(TensorRole::kRouterBias, {experts});
    if (gguf_) {
      Add(TensorRole::kExpertGateProj, {experts, intermediate, hidden_});
      Add(TensorRole::kExpertUpProj, {experts, intermediate, hidden_});
      Add(TensorRole::kExpertDownProj, {experts, hidden_, intermediate});
      return;
    }
    const std::string layer_prefix = prefix_;
    for (uint32_t expert = 0; expert < config_.n_routed_experts; ++expert) {
      prefix_ = fmt::format("{}mlp.experts.{}.", layer_prefix, expert);
      AddExpert(TensorRole::kExpertGateProj, expert, {intermediate, hidden_});
      AddExpert(TensorRole::kExpertUpProj, expert, {intermediate, hidden_});
      AddExpert(TensorRole::kExpertDownProj, expert, {hidden_, intermediate});
    }
    prefix_ = layer_prefix;
  }

  void AddExpert(TensorRole role, uint32_t expert, std::vector<uint64_t> shape) {
    TensorSpec& spec = Add(role, std::move(shape));
    spec.expert_index = static_cast<int32_t>(expert);
    spec.quantized_forms = QuantizedForms::kFp8OrMxFp4;
  }

  const ModelConfig& config_;
  const bool gguf_;
  const uint64_t hidden_;
  int32_t layer_index_ = kNoIndex;
  int32_t mtp_index_ = kNoIndex;
  std::string prefix_;
  std::vector<TensorSpec> table_;
};

// Without the ending ".weight".
std::string BaseName(const TensorSpec& spec) { return spec.name.substr(0, spec.name.rfind(".weight")); }

}  // namespace

uint64_t TensorSpec::num_elements() const {
  uint64_t count = 1;
  for (const uint64_t extent : shape) count *= extent;
  return count;
}

std::vector<TensorSpec> TensorTable(const ModelConfig& config, CheckpointFormat format) {
  MIMO_CHECK(format == CheckpointFormat::kSafetensors || config.family == ModelFamily::kMimoV2);
  return TableBuilder(config, format).Build();
}

std::string ScaleName(const TensorSpec& spec, StoredType type) {
  if (type == StoredType::kFp8E4M3) return spec.name + "_scale_inv";
  if (type == StoredType::kU8) return spec.name + "_scale";
  if (type == StoredType::kNvFp4) return BaseName(spec) + ".scale";
  return {};
}

std::string InputScaleName(const TensorSpec& spec) { return BaseName(spec) + ".input_scale"; }

std::vector<uint64_t> ScaleShape(const TensorSpec& spec, StoredType type) {
  if (type == StoredType::kNvFp4) return {spec.shape.size() == 3 ? spec.shape[0] : 1};
  MIMO_CHECK(spec.shape.size() == 2);
  const uint64_t rows = spec.shape[0];
  const uint64_t cols = spec.shape[1];
  if (type == StoredType::kU8) return {rows, cols / kMxFp4BlockSize};
  MIMO_CHECK(type == StoredType::kFp8E4M3);
  return {spec.scale_chunks * CeilDiv(rows / spec.scale_chunks, kFp8BlockSize), CeilDiv(cols, kFp8BlockSize)};
}

std::vector<uint64_t> StoredShape(const TensorSpec& spec, StoredType type) {
  if (type == StoredType::kU8 && spec.shape.size() == 2) return {spec.shape[0], spec.shape[1] / 2};
  return spec.shape;
}

std::string MtpPrefix(const ModelConfig& config, CheckpointFormat format, uint32_t mtp_index) {
  if (format == CheckpointFormat::kGguf) return fmt::format("blk.{}.", config.num_hidden_layers + mtp_index);
  return fmt::format("model.mtp{}layers.{}.", config.family == ModelFamily::kMimoV2 ? "." : "_", mtp_index);
}

}  // namespace mimo
