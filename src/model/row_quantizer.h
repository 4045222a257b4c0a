#pragma once
// Inputs of products in the form that a kernel variant wants for weights of some type.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace mimo {

// Memory that begins at a cache line.
class AlignedScratch {
 public:
  void Allocate(size_t bytes);
  std::byte* get() const { return first_; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  std::byte* first_ = nullptr;
};

// Holds the quantised copies of one set of rows, of one form. Not thread-safe; rows are shared out over the
// pool.
class RowQuantizer {
 public:
  // Room for `rows_max` rows of `bytes_max` bytes together.
  void Allocate(uint32_t rows_max, size_t bytes_max);

  // `form` is not kFloat32. The result, [rows], is valid until the next call.
  const QuantizedRow* Quantize(const Kernels& kernels, RowForm form, std::span<const float* const> rows,
                               uint32_t cols, ThreadPool& pool);

 private:
  AlignedScratch memory_;
  std::vector<QuantizedRow> rows_;
};

}  // namespace mimo
