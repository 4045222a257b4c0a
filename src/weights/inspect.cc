#include "weights/inspect.h"

#include <algorithm>
#include <map>

#include "weights/tensor_table.h"

namespace mimo {
namespace {

bool IsExpert(TensorRole role) {
  return role == TensorRole::kExpertGateProj || role == TensorRole::kExpertUpProj ||
         role == TensorRole::kExpertDownProj;
}

// Bytes of the tensor and its scales; 0 when the files lack it.
uint64_t StoredBytes(const Checkpoint& checkpoint, const TensorSpec& spec) {
  const StoredTensor* const tensor = checkpoint.Find(spec.name);
  if (tensor == nullptr) return 0;
  const std::string scale_name = ScaleName(spec, tensor->type);
  const StoredTensor* const scale = scale_name.empty() ? nullptr : checkpoint.Find(scale_name);
  return tensor->data.size() + (scale != nullptr ? scale->data.size() : 0);
}

// The part of a tensor's bytes that one token reads. All experts of a layer have one size, so the chosen ones
// are that share of each.
uint64_t BytesPerToken(const ModelConfig& config, const TensorSpec& spec, uint64_t bytes) {
  if (spec.role == TensorRole::kEmbedTokens && !config.tie_word_embeddings) return bytes / config.vocab_size;
  if (IsExpert(spec.role)) return bytes * config.num_experts_per_tok / config.n_routed_experts;
  return bytes;
}

std::vector<TypeSummary> SummarizeTypes(const Checkpoint& checkpoint) {
  std::map<std::string, TypeSummary> by_name;
  for (const StoredTensor& tensor : checkpoint.tensors()) {
    TypeSummary& type = by_name[tensor.type_name];
    type.type_name = tensor.type_name;
    ++type.tensors;
    type.bytes += tensor.data.size();
  }
  std::vector<TypeSummary> types;
  types.reserve(by_name.size());
  for (const auto& [name, type] : by_name) types.push_back(type);
  std::sort(types.begin(), types.end(),
            [](const TypeSummary& a, const TypeSummary& b) { return a.bytes > b.bytes; });
  return types;
}

}  // namespace

CheckpointSummary SummarizeCheckpoint(const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  const CheckpointFormat format =
      checkpoint.is_gguf() ? CheckpointFormat::kGguf : CheckpointFormat::kSafetensors;
  CheckpointSummary summary;
  summary.types = SummarizeTypes(checkpoint);
  uint64_t all_bytes = 0;
  for (const TypeSummary& type : summary.types) all_bytes += type.bytes;
  uint64_t expert_parameters = 0;
  for (const TensorSpec& spec : TensorTable(config, format)) {
    const uint64_t parameters = spec.num_elements();
    const uint64_t bytes = StoredBytes(checkpoint, spec);
    if (bytes == 0) ++summary.missing_tensors;
    summary.parameters += parameters;
    if (spec.mtp_index != kNoIndex) {
      summary.parameters_mtp += parameters;
      summary.mtp_bytes += bytes;
      continue;
    }
    if (IsExpert(spec.role)) {
      expert_parameters += parameters;
    } else {
      summary.parameters_active += parameters;
    }
    summary.trunk_bytes += bytes;
    summary.decode_bytes_per_token += BytesPerToken(config, spec, bytes);
  }
  if (config.n_routed_experts > 0) {
    summary.parameters_active += expert_parameters / config.n_routed_experts * config.num_experts_per_tok;
  }
  summary.other_bytes = all_bytes - summary.trunk_bytes - summary.mtp_bytes;
  return summary;
}

}  // namespace mimo
