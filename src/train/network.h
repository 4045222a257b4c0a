#pragma once
// The trunk of a MiMo-V2 model as a function with gradients. The arithmetic is that of model/ (which is the
// reference of the tests), the parameters are float32, and the layout of a step is made for training: whole
// rows of packed conversations, every expert of a layer in one tensor.

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "weights/model_config.h"

namespace mimo {

constexpr int64_t kNoTarget = -100;

// Rows of equal length, each filled with one or more conversations one after another.
struct PackedBatch {
  torch::Tensor tokens;  // int64 [sequences, length]; padding: any token, without a target
  torch::Tensor
      targets;  // int64 [sequences, length], the token that follows; kNoTarget where no loss is taken
  // int64 [sequences, length], the position of a token in its conversation: counts up by one from 0, and a 0
  // begins a conversation that sees none before it. Undefined: every row is one conversation.
  torch::Tensor positions;
};

// What an optimizer should know of a parameter.
enum class ParameterKind : uint8_t {
  kMatrix,     // [out, in], or [experts, out, in]: one matrix for each expert
  kEmbedding,  // [vocab_size, hidden_size]
  kHead,       // [vocab_size, hidden_size]
  kNorm,       // [hidden_size], starts at 1
  kSinks,      // [num_attention_heads]
  kRouter,     // [experts, hidden_size]
};

struct NetworkParameter {
  std::string name;  // unique, stable: a key for the optimizer's state
  ParameterKind kind = ParameterKind::kMatrix;
  torch::Tensor value;  // the leaf itself, float32, contiguous; requires a gradient
  // Sizes along the second last dimension of the matrices that stand below each other in a kMatrix (q, k and
  // v; gate and up), for optimizers that treat each matrix as a whole. One entry: a single matrix.
  std::vector<int64_t> row_splits;
};

struct LossResult {
  torch::Tensor loss;  // scalar, mean cross entropy over the targets; 0 without any
  int64_t num_targets = 0;
  // int64 [sparse layers, experts] on the CPU: how many tokens chose each expert. For UpdateRouterBias.
  torch::Tensor expert_loads;
};

enum class NetworkPath : uint8_t {
  kFused,  // loops over raw memory with gradients by hand; CPU only
  kPlain,  // ATen's operations and their gradients: any device, and the reference of kFused
};

// Of the operands of matrix products on the fused path; sums, activations and parameters are always float32,
// and the router's product too.
enum class MatrixPrecision : uint8_t {
  kFloat32,
  kBfloat16,  // over twice as fast with AVX512-BF16; kFloat32 on machines without
};

// Not thread-safe. Copies share the parameters.
class Network {
 public:
  // Random weights, a function of config and seed: matrices normal with variance 1 / columns (less where they
  // add to the residual stream), norms 1, sinks and router bias 0. kUnimplemented for what the trainer does
  // not do: family kMimo, tied embeddings, biases.
  static Result<Network> Create(const ModelConfig& config, uint64_t seed);

  const ModelConfig& config() const;

  // kFused where the parameters are on the CPU, unless set.
  void set_path(NetworkPath path);
  NetworkPath path() const;
  // kBfloat16, unless set.
  void set_precision(MatrixPrecision precision);
  MatrixPrecision precision() const;
  void To(torch::Device device);  // before optimizers take the parameters

  // The trunk's output after its last norm: [sequences, length, hidden_size]. Only tokens and positions of
  // the batch are read. Records gradients unless torch::NoGradGuard is in force.
  torch::Tensor Forward(const PackedBatch& batch);
  // hidden [rows, hidden_size] -> [rows, vocab_size].
  torch::Tensor Logits(const torch::Tensor& hidden) const;
  // Forward, and the head for the rows that have a target only.
  LossResult TrainLoss(const PackedBatch& batch);
  // The same from the output of Forward. `expert_loads` is left undefined.
  LossResult HeadLoss(const torch::Tensor& hidden, const torch::Tensor& targets) const;
  // The head itself gets no gradient.
  LossResult FrozenHeadLoss(const torch::Tensor& hidden, const torch::Tensor& targets) const;

  // int64 [sparse layers, experts] of the last Forward.
  torch::Tensor expert_loads() const;
  // e_score_correction_bias += rate * sign(mean load - load), for every sparse layer. expert_loads as in
  // LossResult, summed over the steps (and processes) since the last update.
  // Source: DeepSeek-V3 technical report (arXiv 2412.19437), section 2.1.2.
  void UpdateRouterBias(const torch::Tensor& expert_loads, double rate);

  // Every trained parameter, in a fixed order.
  std::vector<NetworkParameter> parameters() const;
  // float32 [sparse layers, experts]; not trained by gradients. The tensor itself: state to save and restore.
  torch::Tensor router_bias() const;
  torch::Tensor embedding() const;

  int64_t num_parameters() const;

 private:
  struct Impl;
  explicit Network(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace mimo
