#pragma once
// Products with bfloat16 weights, read in place whatever the number of tokens. Same bits as
// Bf16MatMulReference. Include after bf16_dot_avx512.h.

#include "kernels/row_pointers.h"

namespace mimo {
namespace {

// 24 sums, four weights and one input are 29 of 32 registers, and two thirds of the loads of four tokens.
constexpr uint32_t kBf16TileTokens = 6;

template <uint32_t kTokens>
void Bf16Tile(const MatMulArgs& args, uint32_t row, uint32_t token) {
  const MatrixView& weights = *args.weights;
  const auto rows = RowPointers<kTileRows>(weights, row, args.row_end);
  const Bf16* x[kTokens];
  for (uint32_t t = 0; t < kTokens; ++t) x[t] = args.quantized_rows[token + t].bf16;
  TileSums<kTokens> sums;
  ClearSums<kTokens>(sums);
  const auto multiply = [&](uint32_t k, const __m512bh(&w)[kTileRows]) {
#pragma GCC unroll 8
    for (uint32_t t = 0; t < kTokens; ++t) {
      const __m512bh values = LoadBf16(x[t] + k);
#pragma GCC unroll 4
      for (uint32_t r = 0; r < kTileRows; ++r) sums[t][r] = _mm512_dpbf16_ps(sums[t][r], w[r], values);
    }
  };
  const uint32_t whole = weights.cols / kDotColumns * kDotColumns;
  for (uint32_t k = 0; k < whole; k += kDotColumns) {
    __m512bh w[kTileRows];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < kTileRows; ++r) {
      const std::byte* const at = rows[r] + size_t{k} * sizeof(Bf16);
      PrefetchNextTile(at, weights.row_bytes);
      w[r] = LoadBf16(at);
    }
    multiply(k, w);
  }
  if (whole < weights.cols) {
    __m512bh w[kTileRows];
    for (uint32_t r = 0; r < kTileRows; ++r) {
      w[r] = LoadFirstBf16(rows[r] + size_t{whole} * sizeof(Bf16), weights.cols - whole);
    }
    multiply(whole, w);
  }
  StoreSums<kTokens>(args, row, token, sums);
}

// One token and four rows, one after the other: the same sums as those of a tile, in the order in which the
// weights lie. From memory that is what counts: on one core of an EPYC 9004, bf16 of 1024 columns, 20 GB/s
// with four rows side by side and 28 in order.
void Bf16RowsInOrder(const MatMulArgs& args, uint32_t row) {
  const MatrixView& weights = *args.weights;
  const auto rows = RowPointers<kTileRows>(weights, row, args.row_end);
  const Bf16* const x = args.quantized_rows[0].bf16;
  TileSums<1> sums;
  ClearSums<1>(sums);
  const uint32_t whole = weights.cols / kDotColumns * kDotColumns;
  for (uint32_t r = 0; r < kTileRows; ++r) {
    __m512 sum = _mm512_setzero_ps();
#pragma GCC unroll 4
    for (uint32_t k = 0; k < whole; k += kDotColumns) {
      const std::byte* const at = rows[r] + size_t{k} * sizeof(Bf16);
      PrefetchNextPage(at);
      sum = _mm512_dpbf16_ps(sum, LoadBf16(at), LoadBf16(x + k));
    }
    if (whole < weights.cols) {
      const std::byte* const at = rows[r] + size_t{whole} * sizeof(Bf16);
      sum = _mm512_dpbf16_ps(sum, LoadFirstBf16(at, weights.cols - whole), LoadBf16(x + whole));
    }
    sums[0][r] = sum;
  }
  StoreSums<1>(args, row, 0, sums);
}

void Bf16MatMul(const MatMulArgs& args) {
  if (args.num_tokens == 1) {
    for (uint32_t row = args.row_begin; row < args.row_end; row += kTileRows) Bf16RowsInOrder(args, row);
    return;
  }
  const uint32_t panel = TokensInCache(args.weights->cols);
  for (uint32_t begin = 0; begin < args.num_tokens; begin += panel) {
    const uint32_t end = std::min(args.num_tokens, begin + panel);
    for (uint32_t row = args.row_begin; row < args.row_end; row += kTileRows) {
      ForTokens<kBf16TileTokens>(begin, end, [&](auto count, uint32_t token) {
        Bf16Tile<decltype(count)::value>(args, row, token);
      });
    }
  }
}

}  // namespace
}  // namespace mimo
