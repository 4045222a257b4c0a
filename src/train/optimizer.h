#pragma once
// Turns gradients into new weights.

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "train/network.h"

namespace mimo {

enum class MatrixOptimizer : uint8_t {
  kAdamW,
  kMuon,  // for ParameterKind::kMatrix; the others stay with AdamW
};

struct OptimizerOptions {
  MatrixOptimizer matrices = MatrixOptimizer::kMuon;
  double beta1 = 0.9;           // AdamW, as the technical report has it
  double beta2 = 0.95;          // AdamW
  double epsilon = 1e-8;        // AdamW
  double muon_momentum = 0.95;  // Nesterov
  double weight_decay = 0.1;    // times the learning rate; matrices, head and embedding, not norms and sinks
};

// An orthogonal matrix near to each of `matrices` [count, rows, columns], whatever their scale: five steps of
// Newton and Schulz towards U V^T of the decomposition U S V^T, all matrices of the batch at once. Its
// singular values end between about 0.7 and 1.2. Products in bfloat16 where the device has them, else in
// float32. Source: K. Jordan, "Muon: an optimizer for hidden layers in neural networks" (2024).
torch::Tensor Orthogonalize(const torch::Tensor& matrices);

// Owns the moments, not the parameters. Not thread-safe.
class Optimizer {
 public:
  Optimizer(std::vector<NetworkParameter> parameters, const OptimizerOptions& options);

  // One update from the gradients that stand at the parameters. Muon's is scaled by
  // 0.2 * sqrt(max(rows, columns)), which gives it the size of AdamW's: one learning rate fits both.
  // Source: "Muon is scalable for LLM training" (arXiv 2502.16982), section 2.2.
  void Step(double learning_rate);

  uint64_t steps() const { return steps_; }
  void set_steps(uint64_t steps) { steps_ = steps; }  // with the moments of a saved state
  // The moments by a stable name: the tensors themselves, to save and to overwrite.
  std::vector<std::pair<std::string, torch::Tensor>> state() const;

 private:
  struct AdamState {
    NetworkParameter parameter;
    torch::Tensor first_moment;
    torch::Tensor second_moment;
  };
  struct MuonState {
    NetworkParameter parameter;
    torch::Tensor momentum;
  };
  // One matrix batch inside a MuonState: rows first_row .. first_row + num_rows - 1 of each of its matrices.
  struct MuonBlock {
    size_t state_index = 0;
    int64_t first_row = 0;
    int64_t num_rows = 0;
  };

  void AddMuon(const NetworkParameter& parameter);
  void StepAdam(AdamState& state, double learning_rate) const;
  void StepMuonGroup(const std::vector<MuonBlock>& blocks, double learning_rate);

  OptimizerOptions options_;
  std::vector<AdamState> adam_;
  std::vector<MuonState> muon_;
  std::vector<std::vector<MuonBlock>> muon_groups_;  // blocks of one shape, orthogonalized together
  uint64_t steps_ = 0;
};

}  // namespace mimo
