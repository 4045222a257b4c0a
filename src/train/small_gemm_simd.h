#pragma once
// Products of small matrices that lie in the nearest caches: no packing, sums in registers. Include after
// kernels/elementwise_simd.h.

#include <cstdint>

namespace mimo {
namespace {

// Element (row, column) at data[row * row_stride + column * column_stride].
struct StridedMatrix {
  const float* data;
  int64_t row_stride;
  int64_t column_stride;
};
struct RowMatrix {
  float* data;
  int64_t row_stride;
};
struct ConstRowMatrix {
  const float* data;
  int64_t row_stride;
};
struct GemmSize {
  int64_t rows;     // of A and C
  int64_t columns;  // of B and C
  int64_t depth;
};

enum class GemmMode { kOverwrite, kAdd };

// kRows x (kVectors * 16) of C. `lanes` of the last vector exist.
template <int kRows, int kVectors, GemmMode kMode, bool kPartial>
inline void GemmTile(const StridedMatrix& a, ConstRowMatrix b, int64_t depth, RowMatrix c, uint32_t lanes) {
  Float16 sums[kRows][kVectors];
  const auto load = [&](const float* p, int vector) {
    return kPartial && vector == kVectors - 1 ? LoadPartial(p + vector * 16, lanes)
                                              : Simd::Load(p + vector * 16);
  };
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (int vector = 0; vector < kVectors; ++vector) {
      sums[row][vector] = kMode == GemmMode::kAdd ? load(c.data + row * c.row_stride, vector) : Simd::Zero();
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    Float16 columns[kVectors];
#pragma GCC unroll 4
    for (int vector = 0; vector < kVectors; ++vector) {
      columns[vector] = load(b.data + k * b.row_stride, vector);
    }
    const float* const a_column = a.data + k * a.column_stride;
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const Float16 value = Simd::Broadcast(a_column[row * a.row_stride]);
#pragma GCC unroll 4
      for (int vector = 0; vector < kVectors; ++vector) {
        sums[row][vector] = Simd::MultiplyAdd(value, columns[vector], sums[row][vector]);
      }
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (int vector = 0; vector < kVectors; ++vector) {
      float* const p = c.data + row * c.row_stride + vector * 16;
      if (kPartial && vector == kVectors - 1) {
        StorePartial(p, sums[row][vector], lanes);
      } else {
        Simd::Store(p, sums[row][vector]);
      }
    }
  }
}

// Rows of a tile: as many sums as the registers of the instruction set hold.
constexpr int kGemmRows = sizeof(Float16) == sizeof(__m256) * 2 && Simd::kTileRows == 4 ? 8 : 2;

template <int kVectors, GemmMode kMode, bool kPartial>
void GemmStripe(StridedMatrix a, ConstRowMatrix b, const GemmSize& size, RowMatrix c, uint32_t lanes) {
  int64_t row = 0;
  for (; row + kGemmRows <= size.rows; row += kGemmRows) {
    GemmTile<kGemmRows, kVectors, kMode, kPartial>(a, b, size.depth, c, lanes);
    a.data += kGemmRows * a.row_stride;
    c.data += kGemmRows * c.row_stride;
  }
  for (; row < size.rows; ++row) {
    GemmTile<1, kVectors, kMode, kPartial>(a, b, size.depth, c, lanes);
    a.data += a.row_stride;
    c.data += c.row_stride;
  }
}

// C = A B, or C += A B.
template <GemmMode kMode>
void SmallGemm(const StridedMatrix& a, const ConstRowMatrix& b, const GemmSize& size, const RowMatrix& c) {
  const auto b_at = [&](int64_t column) -> ConstRowMatrix { return {b.data + column, b.row_stride}; };
  const auto c_at = [&](int64_t column) -> RowMatrix { return {c.data + column, c.row_stride}; };
  int64_t column = 0;
  for (; column + 32 <= size.columns; column += 32) {
    GemmStripe<2, kMode, false>(a, b_at(column), size, c_at(column), 16);
  }
  if (column + 16 <= size.columns) {
    GemmStripe<1, kMode, false>(a, b_at(column), size, c_at(column), 16);
    column += 16;
  }
  if (column < size.columns) {
    GemmStripe<1, kMode, true>(a, b_at(column), size, c_at(column),
                               static_cast<uint32_t>(size.columns - column));
  }
}

}  // namespace
}  // namespace mimo
