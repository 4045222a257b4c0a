#include "train/optimizer.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "train/bf16_gemm.h"

namespace mimo {
namespace {

constexpr int kNewtonSchulzSteps = 5;
// x -> a x + b x^3 + c x^5: chosen by the source for a steep rise at 0, not for an exact fixed point at 1.
constexpr double kNewtonSchulzA = 3.4445;
constexpr double kNewtonSchulzB = -4.7750;
constexpr double kNewtonSchulzC = 2.0315;
constexpr double kMuonScale = 0.2;

bool HasWeightDecay(ParameterKind kind) {
  return kind != ParameterKind::kNorm && kind != ParameterKind::kSinks;
}

// [out, in] as [1, out, in].
torch::Tensor AsBatch(const torch::Tensor& tensor) {
  return tensor.dim() == 2 ? tensor.unsqueeze(0) : tensor;
}

// One step for a batch of wide matrices [count, rows, columns].
void NewtonSchulzStep(torch::Tensor& x) {
  const torch::Tensor gram = torch::bmm(x, x.transpose(1, 2));
  const torch::Tensor polynomial =
      torch::baddbmm(gram, gram, gram, /*beta=*/kNewtonSchulzB, /*alpha=*/kNewtonSchulzC);
  x = torch::baddbmm(x, polynomial, x, /*beta=*/kNewtonSchulzA, /*alpha=*/1.0);
}

void Scale(const std::vector<float>& values, double factor, std::vector<float>& scaled) {
  for (size_t i = 0; i < values.size(); ++i) scaled[i] = static_cast<float>(factor) * values[i];
}

// All steps for one wide matrix [rows, columns], in place.
void NewtonSchulzBf16(int64_t rows, int64_t columns, float* matrix) {
  std::vector<float> x(matrix, matrix + rows * columns);
  std::vector<float> next(x.size());
  std::vector<float> gram(static_cast<size_t>(rows * rows));
  std::vector<float> scaled_gram(gram.size());
  std::vector<float> polynomial(gram.size());
  for (int step = 0; step < kNewtonSchulzSteps; ++step) {
    const GemmOperand wide = {.data = x.data(), .row_stride = columns, .column_stride = 1};
    const GemmOperand transposed = {.data = x.data(), .row_stride = 1, .column_stride = columns};
    Bf16Gemm({.a = wide,
              .b = transposed,
              .c = gram.data(),
              .c_stride = rows,
              .rows = rows,
              .columns = rows,
              .depth = columns});
    Scale(gram, kNewtonSchulzB, polynomial);
    Scale(gram, kNewtonSchulzC, scaled_gram);
    const auto square = [rows](const std::vector<float>& values) {
      return GemmOperand{.data = values.data(), .row_stride = rows, .column_stride = 1};
    };
    Bf16Gemm({.a = square(scaled_gram),
              .b = square(gram),
              .c = polynomial.data(),
              .c_stride = rows,
              .rows = rows,
              .columns = rows,
              .depth = rows,
              .output = GemmOutput::kAdd});
    Scale(x, kNewtonSchulzA, next);
    Bf16Gemm({.a = square(polynomial),
              .b = wide,
              .c = next.data(),
              .c_stride = columns,
              .rows = rows,
              .columns = columns,
              .depth = rows,
              .output = GemmOutput::kAdd});
    x.swap(next);
  }
  std::copy(x.begin(), x.end(), matrix);
}

}  // namespace

torch::Tensor Orthogonalize(const torch::Tensor& matrices) {
  const bool has_own_products = matrices.is_cpu() && Bf16GemmSupported();
  torch::Tensor x = matrices.is_cpu() ? matrices : matrices.to(torch::kBFloat16);
  const bool is_tall = x.size(1) > x.size(2);
  if (is_tall) x = x.transpose(1, 2);
  // The Frobenius norm bounds the largest singular value, so that the steps converge.
  x = x / (x.norm(2, {1, 2}, /*keepdim=*/true) + 1e-7);
  if (has_own_products) {
    x = x.contiguous();
    for (int64_t i = 0; i < x.size(0); ++i) NewtonSchulzBf16(x.size(1), x.size(2), x[i].data_ptr<float>());
  } else {
    for (int step = 0; step < kNewtonSchulzSteps; ++step) NewtonSchulzStep(x);
  }
  if (is_tall) x = x.transpose(1, 2);
  return x.to(matrices.scalar_type());
}

Optimizer::Optimizer(std::vector<NetworkParameter> parameters, const OptimizerOptions& options)
    : options_(options) {
  for (NetworkParameter& parameter : parameters) {
    if (options.matrices == MatrixOptimizer::kMuon && parameter.kind == ParameterKind::kMatrix) {
      AddMuon(parameter);
    } else {
      const torch::Tensor first = torch::zeros_like(parameter.value, torch::requires_grad(false));
      adam_.push_back({std::move(parameter), first, torch::zeros_like(first)});
    }
  }
}

void Optimizer::AddMuon(const NetworkParameter& parameter) {
  const size_t state_index = muon_.size();
  muon_.push_back({parameter, torch::zeros_like(parameter.value, torch::requires_grad(false))});
  const torch::Tensor batch = AsBatch(muon_.back().momentum);
  std::vector<int64_t> row_splits = parameter.row_splits;
  if (row_splits.empty()) row_splits = {batch.size(1)};
  int64_t first_row = 0;
  for (const int64_t num_rows : row_splits) {
    const auto same_shape = [&](const std::vector<MuonBlock>& group) {
      const torch::Tensor other = AsBatch(muon_[group.front().state_index].momentum);
      return group.front().num_rows == num_rows && other.size(2) == batch.size(2);
    };
    auto group = std::find_if(muon_groups_.begin(), muon_groups_.end(), same_shape);
    if (group == muon_groups_.end()) group = muon_groups_.emplace(muon_groups_.end());
    group->push_back({.state_index = state_index, .first_row = first_row, .num_rows = num_rows});
    first_row += num_rows;
  }
  MIMO_CHECK(first_row == batch.size(1));
}

void Optimizer::Step(double learning_rate) {
  const torch::NoGradGuard no_gradients;
  ++steps_;
  for (AdamState& state : adam_) StepAdam(state, learning_rate);
  for (const std::vector<MuonBlock>& group : muon_groups_) StepMuonGroup(group, learning_rate);
}

// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; w -= rate * (m^ / (sqrt(v^) + epsilon) + decay
// w), where m^ and v^ are divided by 1 - beta^steps. Source: arXiv 1711.05101, algorithm 2.
void Optimizer::StepAdam(AdamState& state, double learning_rate) const {
  torch::Tensor value = state.parameter.value;
  const torch::Tensor gradient = value.grad();
  if (!gradient.defined()) return;
  const auto steps = static_cast<double>(steps_);
  const double first_correction = 1.0 - std::pow(options_.beta1, steps);
  const double second_correction = 1.0 - std::pow(options_.beta2, steps);
  if (HasWeightDecay(state.parameter.kind)) value.mul_(1.0 - learning_rate * options_.weight_decay);
  state.first_moment.mul_(options_.beta1).add_(gradient, 1.0 - options_.beta1);
  state.second_moment.mul_(options_.beta2).addcmul_(gradient, gradient, 1.0 - options_.beta2);
  const torch::Tensor denominator =
      state.second_moment.sqrt().div_(std::sqrt(second_correction)).add_(options_.epsilon);
  value.addcdiv_(state.first_moment, denominator, -learning_rate / first_correction);
}

void Optimizer::StepMuonGroup(const std::vector<MuonBlock>& blocks, double learning_rate) {
  std::vector<torch::Tensor> directions;
  directions.reserve(blocks.size());
  for (const MuonBlock& block : blocks) {
    const MuonState& state = muon_[block.state_index];
    const torch::Tensor gradient =
        AsBatch(state.parameter.value.grad()).narrow(1, block.first_row, block.num_rows);
    torch::Tensor momentum = AsBatch(state.momentum).narrow(1, block.first_row, block.num_rows);
    momentum.mul_(options_.muon_momentum).add_(gradient);
    directions.push_back(gradient.add(momentum, options_.muon_momentum));  // Nesterov: a look ahead
  }
  const torch::Tensor updates = Orthogonalize(torch::cat(directions));
  const double scale =
      kMuonScale * std::sqrt(static_cast<double>(std::max(updates.size(1), updates.size(2))));
  int64_t first_matrix = 0;
  for (const MuonBlock& block : blocks) {
    torch::Tensor value =
        AsBatch(muon_[block.state_index].parameter.value).narrow(1, block.first_row, block.num_rows);
    value.mul_(1.0 - learning_rate * options_.weight_decay);
    value.add_(updates.narrow(0, first_matrix, value.size(0)), -learning_rate * scale);
    first_matrix += value.size(0);
  }
}

std::vector<std::pair<std::string, torch::Tensor>> Optimizer::state() const {
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  for (const AdamState& state : adam_) {
    tensors.emplace_back(state.parameter.name + ".first_moment", state.first_moment);
    tensors.emplace_back(state.parameter.name + ".second_moment", state.second_moment);
  }
  for (const MuonState& state : muon_) {
    tensors.emplace_back(state.parameter.name + ".momentum", state.momentum);
  }
  return tensors;
}

}  // namespace mimo
