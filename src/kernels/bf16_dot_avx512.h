#pragma once
// Products of bfloat16 numbers in 16 float32 lanes, and what every tile of them ends with. Include only from
// files compiled for AVX-512 with BF16.

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/token_tiles.h"

namespace mimo {
namespace {

constexpr uint32_t kDotColumns = 32;  // of one instruction
constexpr uint32_t kTileRows = 4;

inline __m512bh LoadBf16(const void* at) { return std::bit_cast<__m512bh>(_mm512_loadu_si512(at)); }

// The first `count` columns of 32, zeros after them.
inline __m512bh LoadFirstBf16(const void* at, uint32_t count) {
  const auto first = static_cast<__mmask32>((uint64_t{1} << count) - 1);
  return std::bit_cast<__m512bh>(_mm512_maskz_loadu_epi16(first, at));
}

// Asks for the same columns of a row of the next tile; matmul_simd.h says why.
inline void PrefetchNextTile(const std::byte* at, size_t row_bytes) {
  _mm_prefetch(reinterpret_cast<const char*>(at) + kTileRows * row_bytes, _MM_HINT_T1);
}

// Asks for what lies one page further on, past the second-level cache: weights pass once, and one core of an
// EPYC 9005 reads 8 % more of them so.
inline void PrefetchNextPage(const std::byte* at) {
  _mm_prefetch(reinterpret_cast<const char*>(at) + 4096, _MM_HINT_NTA);
}

inline void StoreAsBf16(Bf16* out, __m512 low, __m512 high) {
  _mm512_storeu_si512(out, std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
}

// Same bits as QuantizeRowReference.
inline void RoundRowToBf16(const float* x, uint32_t cols, Bf16* out) {
  const uint32_t whole = cols / kDotColumns * kDotColumns;
  for (uint32_t c = 0; c < whole; c += kDotColumns) {
    StoreAsBf16(out + c, _mm512_loadu_ps(x + c), _mm512_loadu_ps(x + c + 16));
  }
  for (uint32_t c = whole; c < Bf16RowColumns(cols); c += kDotColumns) {
    const uint32_t left = std::min(kDotColumns, cols - std::min(c, cols));
    const uint32_t mask = static_cast<uint32_t>((uint64_t{1} << left) - 1);
    StoreAsBf16(out + c, _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), x + c),
                _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), x + c + 16));
  }
}

// Folding 16 lanes to one, 16 -> 8 -> 4 -> 2 -> 1, adds lane i + n to lane i. Two vectors at a time leave
// their halves in one, so that sixteen of them take 15 additions instead of 64.
inline __m512 FoldTo8(__m512 a, __m512 b) {  // lanes of a, then of b
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}
inline __m512 FoldTo4(__m512 ab, __m512 cd) {  // lanes of a, b, c, d
  return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
}
// Of four vectors side by side, each of 128 bits.
inline __m512 FoldTo2(__m512 p, __m512 q) {
  const __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(p), _mm512_castps_pd(q));
  const __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(p), _mm512_castps_pd(q));
  return _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
}
inline __m512 FoldTo1(__m512 pq, __m512 rs) {
  return _mm512_add_ps(_mm512_shuffle_ps(pq, rs, 0x88), _mm512_shuffle_ps(pq, rs, 0xdd));
}

// Sums of a tile: sums[t][r] in lanes.
template <uint32_t kTokens>
using TileSums = __m512[kTokens][kTileRows];

template <uint32_t kTokens>
inline void ClearSums(TileSums<kTokens>& sums) {
  for (auto& of_token : sums) {
    for (__m512& sum : of_token) sum = _mm512_setzero_ps();
  }
}

// Writes the tile's rows that lie before args.row_end.
template <uint32_t kTokens>
inline void StoreSums(const MatMulArgs& args, uint32_t row, uint32_t token, const TileSums<kTokens>& sums) {
  const auto mask = static_cast<__mmask8>((1U << std::min(kTileRows, args.row_end - row)) - 1);
#pragma GCC unroll 2
  for (uint32_t first = 0; first < kTokens; first += 4) {
    const auto of_row = [&](uint32_t r) {
      const auto sum = [&](uint32_t i) { return sums[std::min(first + i, kTokens - 1)][r]; };
      return FoldTo4(FoldTo8(sum(0), sum(1)), FoldTo8(sum(2), sum(3)));
    };
    const __m512 folded = FoldTo1(FoldTo2(of_row(0), of_row(1)), FoldTo2(of_row(2), of_row(3)));
    float* const out = args.out + (token + first) * args.out_stride + (row - args.row_begin);
    const auto store = [&](uint32_t i, __m128 rows) {
      if (first + i < kTokens) _mm_mask_storeu_ps(out + i * args.out_stride, mask, rows);
    };
    store(0, _mm512_castps512_ps128(folded));
    store(1, _mm512_extractf32x4_ps(folded, 1));
    store(2, _mm512_extractf32x4_ps(folded, 2));
    store(3, _mm512_extractf32x4_ps(folded, 3));
  }
}

// Tokens whose rows stay in a second-level cache of a megabyte while the weights pass.
inline uint32_t TokensInCache(uint32_t cols) {
  constexpr size_t kCacheBytes = 640 << 10;
  constexpr uint32_t kTokens = 16;
  const size_t groups = kCacheBytes / (Bf16RowColumns(cols) * sizeof(Bf16)) / kTokens;
  return std::max(1U, static_cast<uint32_t>(groups)) * kTokens;
}

}  // namespace
}  // namespace mimo
