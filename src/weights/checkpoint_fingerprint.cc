#include "weights/checkpoint_fingerprint.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

// Only declarations here and inlined code: nothing is linked.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mimo {
namespace {

constexpr size_t kSampleBytes = 256;
constexpr size_t kSamplesMax = 1 << 16;  // of a checkpoint with few tensors; at least one a tensor
constexpr size_t kSamplesPerTensorMax = 16;

std::string AttentionText(const AttentionGeometry& geometry) {
  return fmt::format("{} heads, {} key-value heads, dims {} and {}, rotary {}, theta {}, window {}, sinks {}",
                     geometry.num_attention_heads, geometry.num_key_value_heads, geometry.head_dim,
                     geometry.v_head_dim, geometry.rotary_dim, geometry.rope_theta, geometry.window,
                     geometry.has_sinks);
}

std::string LayersText(const std::vector<bool>& layers) {
  std::string text;
  for (const bool layer : layers) text += layer ? '1' : '0';
  return text;
}

class Hash {
 public:
  Hash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }

  void Add(const void* data, size_t size) { XXH3_128bits_update(state_.get(), data, size); }
  void Add(const std::string& text) { Add(text.c_str(), text.size() + 1); }
  void Add(uint64_t value) { Add(&value, sizeof(value)); }

  std::string Text() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
  }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

void AddSamples(const StoredTensor& tensor, size_t num_samples, Hash* hash) {
  const std::span<const std::byte> data = tensor.data;
  const size_t sample_bytes = std::min(kSampleBytes, data.size());
  for (size_t i = 0; i < num_samples; ++i) {
    // In the middle of equal parts: a beginning is often alike.
    const size_t middle = data.size() / num_samples * i + data.size() / num_samples / 2;
    hash->Add(data.data() + std::min(middle, data.size() - sample_bytes), sample_bytes);
  }
}

std::string WeightsText(const Checkpoint& checkpoint) {
  std::vector<const StoredTensor*> tensors;
  for (const StoredTensor& tensor : checkpoint.tensors()) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  const size_t num_samples =
      std::clamp(kSamplesMax / std::max<size_t>(tensors.size(), 1), size_t{1}, kSamplesPerTensorMax);
  Hash hash;
  for (const StoredTensor* tensor : tensors) {
    hash.Add(tensor->name);
    hash.Add(tensor->type_name);
    for (const uint64_t extent : tensor->shape) hash.Add(extent);
    hash.Add(tensor->data.size());
    AddSamples(*tensor, num_samples, &hash);
  }
  return hash.Text();
}

}  // namespace

std::string CheckpointFingerprint(const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  std::string text = fmt::format("architecture: {}\n", config.architecture);
  text +=
      fmt::format("geometry: {} layers, hidden {}, vocabulary {}, mlp {} and {}, experts {} of {}\n",
                  config.num_hidden_layers, config.hidden_size, config.vocab_size, config.intermediate_size,
                  config.moe_intermediate_size, config.num_experts_per_tok, config.n_routed_experts);
  text += fmt::format("scales: top-k norm {}, routed {}, epsilon {}, value {}, bias {}\n",
                      config.norm_topk_prob, config.routed_scaling_factor, config.layernorm_epsilon,
                      config.attention_value_scale, config.attention_bias);
  text += fmt::format("full attention: {}\n", AttentionText(config.full_attention));
  text += fmt::format("sliding attention: {}\n", AttentionText(config.sliding_attention));
  text += fmt::format("sliding layers: {}\n", LayersText(config.is_sliding));
  text += fmt::format("sparse layers: {}\n", LayersText(config.is_sparse));
  text += fmt::format("mtp layers: {}, sliding {}\n", config.num_nextn_predict_layers, config.mtp_is_sliding);
  text += fmt::format("weights: {}\n", WeightsText(checkpoint));
  return text;
}

}  // namespace mimo
