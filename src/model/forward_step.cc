#include "model/forward_step.h"

#include <algorithm>

namespace mimo {
namespace {

uint32_t NumTasks(const MatrixView& weights) { return (weights.rows + kRowsPerTask - 1) / kRowsPerTask; }

}  // namespace

void ForwardStep::MatMul(std::span<const Product> products, std::span<const float* const> x_rows) {
  // One quantised copy of the rows serves all products that want its form.
  const QuantizedRow* quantized[kNumRowForms] = {};
  uint32_t num_tasks = 0;
  for (const Product& product : products) {
    if (observer != nullptr) observer->Observe(*product.weights, x_rows);
    const QuantizedRow*& rows = quantized[static_cast<size_t>(kernels->row_form(*product.weights))];
    if (rows == nullptr) rows = Quantize(*product.weights, x_rows);
    num_tasks += NumTasks(*product.weights);
  }
  pool->ParallelFor(num_tasks, [&](uint32_t task, uint32_t thread) {
    const Product* product = products.data();
    for (; task >= NumTasks(*product->weights); ++product) task -= NumTasks(*product->weights);
    const MatrixView& weights = *product->weights;
    const uint32_t begin = task * kRowsPerTask;
    kernels->matmul({.weights = &weights,
                     .x_rows = x_rows.data(),
                     .quantized_rows = quantized[static_cast<size_t>(kernels->row_form(weights))],
                     .panel_scratch = threads[thread].panel.get(),
                     .num_tokens = static_cast<uint32_t>(x_rows.size()),
                     .row_begin = begin,
                     .row_end = std::min(weights.rows, begin + kRowsPerTask),
                     .out = product->out + begin,
                     .out_stride = product->out_stride});
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
