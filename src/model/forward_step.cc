#include "model/forward_step.h"

#include <algorithm>

namespace mimo {

void ForwardStep::MatMul(const MatrixView& weights, std::span<const float* const> x_rows, float* out,
                         size_t out_stride) const {
  if (observer != nullptr) observer->Observe(weights, x_rows);
  const uint32_t num_tasks = (weights.rows + kRowsPerTask - 1) / kRowsPerTask;
  pool->ParallelFor(num_tasks, [&](uint32_t task, uint32_t) {
    const uint32_t begin = task * kRowsPerTask;
    kernels->matmul({.weights = &weights,
                     .x_rows = x_rows.data(),
                     .num_tokens = static_cast<uint32_t>(x_rows.size()),
                     .row_begin = begin,
                     .row_end = std::min(weights.rows, begin + kRowsPerTask),
                     .out = out + begin,
                     .out_stride = out_stride});
  });
}

void ForwardStep::Norm(RowBuffer& from, std::span<const float> weight, RowBuffer* to) const {
  const auto size = static_cast<uint32_t>(weight.size());
  pool->ParallelFor(num_tokens, [&](uint32_t token, uint32_t) {
    kernels->rms_norm(from.row(token), weight.data(), size, config->layernorm_epsilon, to->row(token));
  });
}

}  // namespace mimo
