#pragma once
// What a layer of the network computes with. All matrices [out, in], float32.

#include <ATen/Generator.h>
#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "train/network.h"
#include "weights/model_config.h"

namespace mimo {

struct AttentionParameters {
  torch::Tensor norm;   // [hidden_size]
  torch::Tensor qkv;    // [(q heads + kv heads) * head_dim + kv heads * v_head_dim, hidden_size]: q, k, v
  torch::Tensor o;      // [hidden_size, q heads * v_head_dim]
  torch::Tensor sinks;  // [q heads], or undefined
};

// gate and up stand below each other, so that one product computes both.
struct MlpParameters {
  torch::Tensor norm;     // [hidden_size]
  torch::Tensor gate_up;  // [2 * intermediate, hidden_size]
  torch::Tensor down;     // [hidden_size, intermediate]
};

struct MoeParameters {
  torch::Tensor norm;          // [hidden_size]
  torch::Tensor router;        // [experts, hidden_size]
  torch::Tensor choice_bias;   // e_score_correction_bias [experts], no gradient; set for each pass
  torch::Tensor gate_up;       // [experts, 2 * intermediate, hidden_size]
  torch::Tensor down;          // [experts, hidden_size, intermediate]
  torch::Tensor expert_loads;  // int64 [experts] on the CPU, overwritten by each pass
};

// Makes the parameters of a network, randomly and in a fixed order, and remembers them for the optimizer.
class ParameterSet {
 public:
  ParameterSet(const ModelConfig& config, uint64_t seed);

  torch::Tensor AddEmbedding(const std::string& name);
  torch::Tensor AddHead(const std::string& name);
  torch::Tensor AddNorm(const std::string& name);
  // Not scaled down: it does not add to the residual stream.
  torch::Tensor AddMatrix(const std::string& name, int64_t rows, int64_t columns);
  // `prefix` ends with a dot.
  AttentionParameters AddAttention(const std::string& prefix, const AttentionGeometry& geometry);
  MlpParameters AddMlp(const std::string& prefix);
  MoeParameters AddMoe(const std::string& prefix);

  const std::vector<NetworkParameter>& list() const { return list_; }
  // The tensors stay the same objects.
  void To(torch::Device device);

 private:
  torch::Tensor Add(NetworkParameter parameter);
  torch::Tensor Normal(at::IntArrayRef shape, double standard_deviation);
  // The standard deviation of a matrix that adds to the residual stream.
  double ResidualDeviation(int64_t columns) const;

  ModelConfig config_;
  at::Generator generator_;
  std::vector<NetworkParameter> list_;
};

// cos and sin of position * inverse frequency.
struct RopeTables {
  torch::Tensor cosines;  // [positions, rotary_dim / 2]
  torch::Tensor sines;
};

// What the layers of one pass share.
struct LayerContext {
  const ModelConfig* config = nullptr;
  NetworkPath path = NetworkPath::kPlain;
  MatrixPrecision precision = MatrixPrecision::kFloat32;
  torch::Tensor positions;  // int64 [sequences, length], see PackedBatch
  RopeTables full_rope;
  RopeTables sliding_rope;

  const RopeTables& Rope(const AttentionGeometry& geometry) const {
    return &geometry == &config->full_attention ? full_rope : sliding_rope;
  }
};

// Tables for a pass over `positions`, on its device, as long as the largest position needs. `config` must
// outlive the context.
LayerContext MakeLayerContext(const ModelConfig& config, const torch::Tensor& positions, NetworkPath path,
                              MatrixPrecision precision);

// `positions`, or, where undefined, every row counted up from 0.
torch::Tensor PositionsOrDefault(const torch::Tensor& tokens, const torch::Tensor& positions);

}  // namespace mimo
