#include "model/forward_step.h"

#include <algorithm>

namespace mimo {

void ForwardStep::MatMul(const MatrixView& weights, const float* const* x_rows, uint32_t num_rows,
                         RowBuffer* out) const {
  const uint32_t num_tasks = (weights.rows + kRowsPerTask - 1) / kRowsPerTask;
  pool->ParallelFor(num_tasks, [&](uint32_t task, uint32_t) {
    const uint32_t begin = task * kRowsPerTask;
    kernels->matmul({.weights = &weights,
                     .x_rows = x_rows,
                     .num_tokens = num_rows,
                     .row_begin = begin,
                     .row_end = std::min(weights.rows, begin + kRowsPerTask),
                     .out = out->row(0) + begin,
                     .out_stride = out->row_size()});
  });
}

void ForwardStep::Norm(RowBuffer& from, std::span<const float> weight, RowBuffer* to) const {
  const auto size = static_cast<uint32_t>(weight.size());
  pool->ParallelFor(num_tokens, [&](uint32_t token, uint32_t) {
    kernels->rms_norm(from.row(token), weight.data(), size, config->layernorm_epsilon, to->row(token));
  });
}

}  // namespace mimo
