#pragma once
// Where the rows of a tile begin.

#include <algorithm>
#include <array>

#include "kernels/matrix_view.h"

namespace mimo {
// Unnamed, because files of several instruction sets include it.
namespace {

// The rows [row, row + kCount) that lie before row_end; beyond it, the last one again.
template <uint32_t kCount>
std::array<const std::byte*, kCount> RowPointers(const MatrixView& weights, uint32_t row, uint32_t row_end) {
  std::array<const std::byte*, kCount> rows;
  for (uint32_t i = 0; i < kCount; ++i) {
    rows[i] = weights.data + std::min(row + i, row_end - 1) * weights.row_bytes;
  }
  return rows;
}

}  // namespace
}  // namespace mimo
