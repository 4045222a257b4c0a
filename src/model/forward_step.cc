#include "model/forward_step.h"

#include <algorithm>

namespace mimo {

void ForwardStep::MatMul(const MatrixView& weights, std::span<const float* const> x_rows, float* out,
                         size_t out_stride) {
  if (observer != nullptr) observer->Observe(weights, x_rows);
  const QuantizedRow* const quantized = Quantize(weights, x_rows);
  const uint32_t num_tasks = (weights.rows + kRowsPerTask - 1) / kRowsPerTask;
  pool->ParallelFor(num_tasks, [&](uint32_t task, uint32_t thread) {
    const uint32_t begin = task * kRowsPerTask;
    kernels->matmul({.weights = &weights,
                     .x_rows = x_rows.data(),
                     .quantized_rows = quantized,
                     .panel_scratch = threads[thread].panel.get(),
                     .num_tokens = static_cast<uint32_t>(x_rows.size()),
                     .row_begin = begin,
                     .row_end = std::min(weights.rows, begin + kRowsPerTask),
                     .out = out + begin,
                     .out_stride = out_stride});
  });
}

const QuantizedRow* ForwardStep::Quantize(const MatrixView& weights, std::span<const float* const> rows) {
  const RowForm form = kernels->row_form(weights);
  if (form == RowForm::kFloat32) return nullptr;
  return quantizers[static_cast<size_t>(form)].Quantize(*kernels, form, rows, weights.cols, *pool);
}

const QuantizedRow* ForwardStep::QuantizeSlots(const MatrixView& weights) {
  const QuantizedRow* const of_tokens = Quantize(weights, {normed.pointers(), num_tokens});
  if (of_tokens == nullptr) return nullptr;
  std::vector<QuantizedRow>& slots = quantized_slots[static_cast<size_t>(kernels->row_form(weights))];
  slots.resize(routing.tokens.size());
  for (size_t slot = 0; slot < slots.size(); ++slot) slots[slot] = of_tokens[routing.tokens[slot]];
  return slots.data();
}

void ForwardStep::Norm(RowBuffer& from, std::span<const float> weight, RowBuffer* to) const {
  const auto size = static_cast<uint32_t>(weight.size());
  pool->ParallelFor(num_tokens, [&](uint32_t token, uint32_t) {
    kernels->rms_norm(from.row(token), weight.data(), size, config->layernorm_epsilon, to->row(token));
  });
}

}  // namespace mimo
