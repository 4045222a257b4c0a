#pragma once
// The one table that names every tensor of every accepted checkpoint. Binding, synthesising, inspecting and
// the tests iterate over it, so a name or a shape is written down once.

#include <cstdint>
#include <string>
#include <vector>

#include "weights/checkpoint.h"
#include "weights/model_config.h"

namespace mimo {

enum class CheckpointFormat : uint8_t { kSafetensors, kGguf };

enum class TensorRole : uint8_t {
  kEmbedTokens,
  kNorm,
  kLmHead,
  kInputLayernorm,
  kPostAttentionLayernorm,  // "pre_mlp_layernorm" in a V2 MTP layer
  kQProj,
  kKProj,
  kVProj,
  kQkvProj,
  kQBias,
  kKBias,
  kVBias,
  kOProj,
  kSinks,
  kGateProj,
  kUpProj,
  kDownProj,
  kRouter,
  kRouterBias,  // e_score_correction_bias
  kExpertGateProj,
  kExpertUpProj,
  kExpertDownProj,
  kMtpEmbeddingNorm,
  kMtpHiddenNorm,
  kMtpEhProj,
  kMtpFinalLayernorm,
};

// Which quantised forms a safetensors checkpoint may store the tensor in, besides F32, F16 and BF16.
enum class QuantizedForms : uint8_t {
  kNone,
  kFp8,
  kFp8OrMxFp4,  // experts
};

constexpr int32_t kNoIndex = -1;

struct TensorSpec {
  TensorRole role = TensorRole::kNorm;
  int32_t layer_index = kNoIndex;   // of the trunk
  int32_t mtp_index = kNoIndex;     // of an MTP layer; then layer_index is kNoIndex
  int32_t expert_index = kNoIndex;  // kNoIndex in GGUF too, where one tensor holds all experts of a layer
  std::string name;                 // as the format spells it
  std::vector<uint64_t> shape;      // outermost first; experts in GGUF: [n_routed_experts, out, in]
  QuantizedForms quantized_forms = QuantizedForms::kNone;
  // Equal row chunks of q, k, v and qkv, in each of which the FP8 scale grid starts anew. Compulsory for a
  // fused matrix; of a split one the row count of the scales tells which rule the file follows.
  uint32_t scale_chunks = 1;

  uint64_t num_elements() const;
};

// Every tensor that `config` calls for, trunk first, in the order of a forward pass; scale tensors are not
// entries of their own (see ScaleName). kMimo has no GGUF form: Requires family kMimoV2 for kGguf.
std::vector<TensorSpec> TensorTable(const ModelConfig& config, CheckpointFormat format);

// The companion that scales `spec` when it is stored as `type`: kFp8E4M3 -> "<name>_scale_inv", float32;
// kU8 (MXFP4 codes) -> "<name>_scale", E8M0 bytes; kNvFp4 -> ".scale" instead of ".weight", float32, which
// may be missing and then is 1. Empty for other types.
std::string ScaleName(const TensorSpec& spec, StoredType type);

// The shape of that companion: FP8 [chunks * ceil(rows / chunks / 128), ceil(cols / 128)] with the chunks of
// the spec, MXFP4 [rows, cols / 32], nvfp4 one number per expert or per matrix. Requires: a matrix, and a
// type that ScaleName accepts.
std::vector<uint64_t> ScaleShape(const TensorSpec& spec, StoredType type);

// The scale for activations that converters write beside an nvfp4 tensor. It is of use only where activations
// are quantised too.
std::string InputScaleName(const TensorSpec& spec);

// The shape in the file of the tensor itself: [rows, cols / 2] bytes for MXFP4, else `spec.shape`.
std::vector<uint64_t> StoredShape(const TensorSpec& spec, StoredType type);

// The prefix of all tensors of MTP layer `mtp_index`: "model.mtp.layers.0.", "blk.48.".
std::string MtpPrefix(const ModelConfig& config, CheckpointFormat format, uint32_t mtp_index);

}  // namespace mimo
