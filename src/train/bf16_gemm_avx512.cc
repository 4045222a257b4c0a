// Products with vdpbf16ps, which multiplies pairs of bfloat16 numbers and adds both products to a float32
// sum.
//
// Both operands are packed into pairs of neighbours along the depth, 32 bits each: A so that a pair can be
// broadcast, B as [depth / 2, columns]. Blocks keep the packed pieces in the second-level cache.

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "train/bf16_gemm_variants.h"

namespace mimo {
namespace {

constexpr int64_t kBlockRows = 240;   // a multiple of the rows of a tile
constexpr int64_t kBlockDepth = 512;  // of the packed operands; B has at most kBlockColumns
constexpr int64_t kBlockColumns = 512;
constexpr int64_t kLanes = 16;
constexpr int kTileRows = 12;

int64_t RoundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// The first `count` floats, then zeros.
__mmask16 FirstLanes(int64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xffff : (1 << std::max<int64_t>(count, 0)) - 1);
}

__m512i ToBf16Lanes(__m512 values) {
  return _mm512_cvtepu16_epi32(std::bit_cast<__m256i>(_mm512_cvtneps_pbh(values)));
}

// Pairs (even[i], odd[i]).
__m512i Interleave(__m512 even, __m512 odd) {
  return _mm512_or_si512(ToBf16Lanes(even), _mm512_slli_epi32(ToBf16Lanes(odd), 16));
}

// x [depth, count] with rows of `stride` floats -> pairs [depth / 2, count rounded up to whole vectors],
// zeros after `count`.
void PackRows(const float* x, int64_t stride, int64_t depth, int64_t count, uint32_t* pairs) {
  const int64_t padded = RoundUp(count, kLanes);
  for (int64_t k = 0; k < depth; k += 2, pairs += padded) {
    const float* const even = x + k * stride;
    for (int64_t i = 0; i < padded; i += kLanes) {
      const __mmask16 lanes = FirstLanes(count - i);
      const __m512 odd =
          k + 1 < depth ? _mm512_maskz_loadu_ps(lanes, even + stride + i) : _mm512_setzero_ps();
      _mm512_storeu_si512(pairs + i, Interleave(_mm512_maskz_loadu_ps(lanes, even + i), odd));
    }
  }
}

// One row of `depth` floats -> depth / 2 pairs, rounded up to whole vectors.
void PackRow(const float* x, int64_t depth, uint32_t* pairs) {
  for (int64_t k = 0; k < depth; k += 2 * kLanes, pairs += kLanes) {
    const __m512 low = _mm512_maskz_loadu_ps(FirstLanes(depth - k), x + k);
    const __m512 high = _mm512_maskz_loadu_ps(FirstLanes(depth - k - kLanes), x + k + kLanes);
    _mm512_storeu_si512(pairs, std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
  }
}

// Sixteen vectors of sixteen words, transposed in place.
void Transpose16(__m512i (&rows)[kLanes]) {
  __m512i halves[kLanes];
#pragma GCC unroll 8
  for (int i = 0; i < kLanes; i += 2) {
    halves[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    halves[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kLanes; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(halves[i], halves[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(halves[i], halves[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(halves[i + 1], halves[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(halves[i + 1], halves[i + 3]);
  }
  // rows[4 j + c] holds column 4 q + c of rows 4 j to 4 j + 3 in its quarter q.
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    halves[c] = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0x88);
    halves[4 + c] = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0xdd);
    halves[8 + c] = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0x88);
    halves[12 + c] = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0xdd);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    rows[c] = _mm512_shuffle_i32x4(halves[c], halves[8 + c], 0x88);
    rows[8 + c] = _mm512_shuffle_i32x4(halves[c], halves[8 + c], 0xdd);
    rows[4 + c] = _mm512_shuffle_i32x4(halves[4 + c], halves[12 + c], 0x88);
    rows[12 + c] = _mm512_shuffle_i32x4(halves[4 + c], halves[12 + c], 0xdd);
  }
}

// x [count, depth] with rows of `stride` floats -> pairs [depth / 2, count rounded up to whole vectors],
// zeros after `count`.
void PackColumns(const float* x, int64_t stride, int64_t depth, int64_t count, uint32_t* pairs) {
  const int64_t padded = RoundUp(count, kLanes);
  const int64_t num_pairs = (depth + 1) / 2;
  for (int64_t column = 0; column < padded; column += kLanes) {
    for (int64_t pair = 0; pair < num_pairs; pair += kLanes) {
      __m512i rows[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t left = column + i < count ? depth - 2 * pair : 0;
        const float* const row = x + (column + i) * stride + 2 * pair;
        const __m512 low = _mm512_maskz_loadu_ps(FirstLanes(left), row);
        const __m512 high = _mm512_maskz_loadu_ps(FirstLanes(left - kLanes), row + kLanes);
        rows[i] = std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
      }
      Transpose16(rows);
      const int64_t valid = std::min(kLanes, num_pairs - pair);
      for (int64_t i = 0; i < valid; ++i) _mm512_storeu_si512(pairs + (pair + i) * padded + column, rows[i]);
    }
  }
}

// pairs of A: element (row, pair) at data[row * row_stride + pair * pair_stride].
struct PackedA {
  const uint32_t* data;
  int64_t row_stride;
  int64_t pair_stride;
};

struct Tile {
  const uint32_t* b;  // [pairs, b_stride]
  int64_t b_stride;
  int64_t pairs;
  float* c;
  int64_t c_stride;
  __mmask16 last_lanes;  // of the last vector
  bool add;
};

template <int kRows, int kVectors>
void ComputeTile(const PackedA& a, const Tile& tile) {
  __m512 sums[kRows][kVectors];
  const auto mask = [&](int vector) {
    return vector == kVectors - 1 ? tile.last_lanes : static_cast<__mmask16>(0xffff);
  };
#pragma GCC unroll 12
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int vector = 0; vector < kVectors; ++vector) {
      const float* const c = tile.c + row * tile.c_stride + vector * kLanes;
      sums[row][vector] = tile.add ? _mm512_maskz_loadu_ps(mask(vector), c) : _mm512_setzero_ps();
    }
  }
  for (int64_t pair = 0; pair < tile.pairs; ++pair) {
    __m512bh columns[kVectors];
#pragma GCC unroll 2
    for (int vector = 0; vector < kVectors; ++vector) {
      columns[vector] =
          std::bit_cast<__m512bh>(_mm512_loadu_si512(tile.b + pair * tile.b_stride + vector * kLanes));
    }
#pragma GCC unroll 12
    for (int row = 0; row < kRows; ++row) {
      const uint32_t value = a.data[row * a.row_stride + pair * a.pair_stride];
      const auto broadcast = std::bit_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(value)));
#pragma GCC unroll 2
      for (int vector = 0; vector < kVectors; ++vector) {
        sums[row][vector] = _mm512_dpbf16_ps(sums[row][vector], broadcast, columns[vector]);
      }
    }
  }
#pragma GCC unroll 12
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int vector = 0; vector < kVectors; ++vector) {
      _mm512_mask_storeu_ps(tile.c + row * tile.c_stride + vector * kLanes, mask(vector), sums[row][vector]);
    }
  }
}

template <int kVectors>
void ComputeStripe(PackedA a, Tile tile, int64_t rows) {
  const auto step = [&](int64_t count) {
    a.data += count * a.row_stride;
    tile.c += count * tile.c_stride;
    rows -= count;
  };
  for (; rows >= kTileRows; step(kTileRows)) ComputeTile<kTileRows, kVectors>(a, tile);
  for (; rows >= 4; step(4)) ComputeTile<4, kVectors>(a, tile);
  for (; rows > 0; step(1)) ComputeTile<1, kVectors>(a, tile);
}

class Product {
 public:
  void Run(const Bf16GemmArgs& args) {
    for (int64_t k = 0; k < args.depth; k += kBlockDepth) {
      const int64_t depth = std::min(kBlockDepth, args.depth - k);
      const bool add = k > 0 || args.output == GemmOutput::kAdd;
      for (int64_t column = 0; column < args.columns; column += kBlockColumns) {
        const int64_t columns = std::min(kBlockColumns, args.columns - column);
        PackB(Part(args.b, k, column), depth, columns);
        for (int64_t row = 0; row < args.rows; row += kBlockRows) {
          const int64_t rows = std::min(kBlockRows, args.rows - row);
          const PackedA a = PackA(Part(args.a, row, k), rows, depth);
          Multiply(a,
                   {.b = b_.data(),
                    .b_stride = RoundUp(columns, kLanes),
                    .pairs = (depth + 1) / 2,
                    .c = args.c + row * args.c_stride + column,
                    .c_stride = args.c_stride,
                    .last_lanes = 0xffff,
                    .add = add},
                   rows, columns);
        }
      }
    }
  }

 private:
  static GemmOperand Part(const GemmOperand& x, int64_t row, int64_t column) {
    return {x.data + row * x.row_stride + column * x.column_stride, x.row_stride, x.column_stride};
  }

  static void Reserve(std::vector<uint32_t>* buffer, int64_t size) {
    if (buffer->size() < static_cast<size_t>(size)) buffer->resize(static_cast<size_t>(size));
  }

  PackedA PackA(const GemmOperand& a, int64_t rows, int64_t depth) {
    if (a.column_stride == 1) {
      const int64_t row_pairs = RoundUp(depth, 2 * kLanes) / 2;
      Reserve(&a_, rows * row_pairs);
      for (int64_t row = 0; row < rows; ++row) {
        PackRow(a.data + row * a.row_stride, depth, a_.data() + row * row_pairs);
      }
      return {.data = a_.data(), .row_stride = row_pairs, .pair_stride = 1};
    }
    const int64_t padded = RoundUp(rows, kLanes);
    Reserve(&a_, padded * (depth + 1) / 2 + padded);
    PackRows(a.data, a.column_stride, depth, rows, a_.data());
    return {.data = a_.data(), .row_stride = 1, .pair_stride = padded};
  }

  void PackB(const GemmOperand& b, int64_t depth, int64_t columns) {
    const int64_t padded = RoundUp(columns, kLanes);
    Reserve(&b_, padded * (depth + 1) / 2 + padded);
    if (b.column_stride == 1) {
      PackRows(b.data, b.row_stride, depth, columns, b_.data());
      return;
    }
    PackColumns(b.data, b.column_stride, depth, columns, b_.data());
  }

  static void Multiply(const PackedA& a, Tile tile, int64_t rows, int64_t columns) {
    int64_t column = 0;
    const auto stripe = [&](int64_t width) {
      Tile part = tile;
      part.b += column;
      part.c += column;
      part.last_lanes = FirstLanes(columns - column - (width - kLanes));
      if (width == 2 * kLanes) {
        ComputeStripe<2>(a, part, rows);
      } else {
        ComputeStripe<1>(a, part, rows);
      }
      column += width;
    };
    while (columns - column > kLanes) stripe(2 * kLanes);
    if (column < columns) stripe(kLanes);
  }

  std::vector<uint32_t> a_;
  std::vector<uint32_t> b_;
};

}  // namespace

void Bf16GemmAvx512(const Bf16GemmArgs& args) {
  thread_local Product product;
  product.Run(args);
}

}  // namespace mimo
