#include "model/row_quantizer.h"

#include <memory>

namespace mimo {
namespace {

constexpr size_t kCacheLine = 64;
// A loop over threads costs as much as a few rows.
constexpr size_t kRowsInOneThread = 2;

}  // namespace

void AlignedScratch::Allocate(size_t bytes) {
  size_t space = bytes + kCacheLine;
  memory_ = std::make_unique_for_overwrite<std::byte[]>(space);
  void* first = memory_.get();
  first_ = static_cast<std::byte*>(std::align(kCacheLine, bytes, first, space));
}

void RowQuantizer::Allocate(uint32_t rows_max, size_t bytes_max) {
  memory_.Allocate(bytes_max);
  rows_.resize(rows_max);
}

const QuantizedRow* RowQuantizer::Quantize(const Kernels& kernels, RowForm form,
                                           std::span<const float* const> rows, uint32_t cols,
                                           ThreadPool& pool) {
  const auto quantize = [&](uint32_t index, uint32_t /*thread*/) {
    rows_[index] = QuantizedRowAt(memory_.get() + index * QuantizedRowBytes(cols), cols);
    kernels.quantize_row(rows[index], cols, form, rows_[index]);
  };
  const auto count = static_cast<uint32_t>(rows.size());
  if (count <= kRowsInOneThread) {
    for (uint32_t i = 0; i < count; ++i) quantize(i, 0);
  } else {
    pool.ParallelFor(count, quantize);
  }
  return rows_.data();
}

}  // namespace mimo
