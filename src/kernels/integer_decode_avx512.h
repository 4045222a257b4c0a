#pragma once
// Products of quantised weights with one to four tokens: each row of weights is read where it lies, once, and
// multiplied with every token. Include after integer_blocks_avx512.h.

#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "kernels/row_pointers.h"

namespace mimo {
namespace {

// Rows that end before the next ones are asked for: the hardware's own prefetch stops at a row's end.
inline void PrefetchBytes(const std::byte* at, size_t count) {
  for (size_t i = 0; i < count; i += 64) _mm_prefetch(reinterpret_cast<const char*>(at + i), _MM_HINT_T1);
}

// Sums of neighbouring lanes of 32 bits of two vectors, interleaved.
inline __m256i AddPairs(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}
inline __m512i AddPairs(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}
inline __m256i AddQuads(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}
inline __m512i AddQuads(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}
inline __m128i FoldTo128(__m512i v) {
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// Lane i = the sum of all lanes of v[i].
inline __m256i SumEach(const __m256i (&v)[8]) {
  const __m256i low = AddQuads(AddPairs(v[0], v[1]), AddPairs(v[2], v[3]));
  const __m256i high = AddQuads(AddPairs(v[4], v[5]), AddPairs(v[6], v[7]));
  return _mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20),
                          _mm256_permute2x128_si256(low, high, 0x31));
}
inline __m128i SumEach(const __m512i (&v)[4]) {
  return FoldTo128(AddQuads(AddPairs(v[0], v[1]), AddPairs(v[2], v[3])));
}

inline EightRows EightBlockRows(const MatrixView& weights, uint32_t row, uint32_t row_end) {
  EightRows rows;
  for (uint32_t i = 0; i < 8; ++i) {
    const uint32_t index = std::min(row + i, row_end - 1);  // the last one again
    rows[i].blocks = weights.data + index * weights.row_bytes;
    if (weights.scales != nullptr) rows[i].scales = weights.scales + size_t{index} * (weights.cols / 32);
  }
  return rows;
}

// Types with blocks of 32 columns, eight rows. What kOffset adds to the codes, the sum of the activations
// takes away again.
template <typename Type, uint32_t kTokens>
void DecodeBlocks32(const MatMulArgs& args, uint32_t row, uint32_t token) {
  constexpr size_t kBlockBytes = GeometryOf(Type::kType).bytes;
  const MatrixView& weights = *args.weights;
  const EightRows rows = EightBlockRows(weights, row, args.row_end);
  const QuantizedRow* const x = args.quantized_rows + token;
  __m256 sums[kTokens];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (uint32_t b = 0; b < weights.cols / 32; ++b) {
    __m256i codes[8];
    for (uint32_t r = 0; r < 8; ++r) {
      const std::byte* const next = rows[r].blocks + 8 * weights.row_bytes + b * kBlockBytes;
      _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
      codes[r] = Type::Codes(rows[r], b);
    }
    const __m256 scales = Type::Scales(rows, b);
    for (uint32_t t = 0; t < kTokens; ++t) {
      const __m256i values =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x[t].codes + size_t{b} * 32));
      __m256i partial[8];
      for (uint32_t r = 0; r < 8; ++r) {
        partial[r] = _mm256_dpbusd_epi32(_mm256_setzero_si256(), codes[r], values);
      }
      const int32_t x_sum = x[t].sums_32[b];
      const __m256i sum = _mm256_sub_epi32(SumEach(partial), _mm256_set1_epi32(Type::kOffset * x_sum));
      const __m256 x_scale = _mm256_set1_ps(x[t].scales[b]);
      sums[t] = _mm256_fmadd_ps(_mm256_mul_ps(scales, x_scale), _mm256_cvtepi32_ps(sum), sums[t]);
      if constexpr (Type::kHasMinimum) {
        sums[t] = _mm256_fmadd_ps(_mm256_mul_ps(Type::Minimums(rows, b), x_scale),
                                  _mm256_set1_ps(static_cast<float>(x_sum)), sums[t]);
      }
    }
  }
  const uint32_t count = std::min(8U, args.row_end - row);
  for (uint32_t t = 0; t < kTokens; ++t) {
    float* const out = args.out + (token + t) * args.out_stride + (row - args.row_begin);
    _mm256_mask_storeu_ps(out, static_cast<__mmask8>((1U << count) - 1), sums[t]);
  }
}

// Word indexes that spread the scales of a row over the 32 pairs of products of 64 columns: [row of four][64
// columns of 256][word].
template <uint32_t kSubColumns>
constexpr auto MakeScalePatterns() {
  std::array<std::array<std::array<int16_t, 32>, 4>, 4> patterns = {};
  constexpr uint32_t kWords = 256 / kSubColumns;  // of one row
  for (uint32_t row = 0; row < 4; ++row) {
    for (uint32_t v = 0; v < 4; ++v) {
      for (uint32_t pair = 0; pair < 32; ++pair) {
        const uint32_t sub_block = (v * 64 + pair * 2) / kSubColumns;
        patterns[row][v][pair] = static_cast<int16_t>(row * kWords % 32 + sub_block);
      }
    }
  }
  return patterns;
}

// partial[t][r] = lanes whose sum is that of sub-block's scale * code * x's code over one block of row r.
template <typename Type, uint32_t kTokens>
void MultiplyBlocks(const std::array<const std::byte*, 4>& blocks, const FourRowScales& scales,
                    const int8_t* const (&values)[kTokens], __m512i (&partial)[kTokens][4]) {
  alignas(64) static constexpr auto kPatterns = MakeScalePatterns<Type::kSubColumns>();
#pragma GCC unroll 4
  for (uint32_t r = 0; r < 4; ++r) {
    const __m512i source = scales.scales[Type::kSubColumns == 16 ? r / 2 : 0];
    __m512i codes[4];
    __m512i factors[4];
#pragma GCC unroll 4
    for (uint32_t v = 0; v < 4; ++v) {
      codes[v] = Type::Codes(blocks[r], v);
      factors[v] = _mm512_permutexvar_epi16(_mm512_load_si512(kPatterns[r][v].data()), source);
    }
    for (uint32_t t = 0; t < kTokens; ++t) {
      const auto products = [&](uint32_t v) {
        return _mm512_maddubs_epi16(codes[v], _mm512_loadu_si512(values[t] + size_t{v} * 64));
      };
      const __m512i zero = _mm512_setzero_si512();
      const __m512i even =
          _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(zero, products(0), factors[0]), products(2), factors[2]);
      const __m512i odd =
          _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(zero, products(1), factors[1]), products(3), factors[3]);
      partial[t][r] = _mm512_add_epi32(even, odd);
    }
  }
}

// Takes off what kOffset added to every code. `sums` are x's of 16 columns.
template <typename Type>
void SubtractOffset(const FourRowScales& scales, const int16_t* sums, __m512i (&partial)[4]) {
  static_assert(Type::kSubColumns == 16);
  const __m512i twice = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums)));
  const __m512i offset = _mm512_set1_epi32(Type::kOffset);
  for (uint32_t pair = 0; pair < 2; ++pair) {
    // The lower half of the lanes belongs to the first row of the pair.
    const __m512i excess = _mm512_mullo_epi32(_mm512_madd_epi16(scales.scales[pair], twice), offset);
    __m512i& first = partial[2 * pair];
    __m512i& second = partial[2 * pair + 1];
    first = _mm512_mask_sub_epi32(first, 0x00ff, first, excess);
    second = _mm512_mask_sub_epi32(second, 0xff00, second, excess);
  }
}

// Of each row, the sum of sub-block's minimum * x's codes. `sums` are x's of 32 columns.
inline __m128i MinimumSums(const FourRowScales& scales, const int16_t* sums) {
  const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(sums));
  const __m512i products = _mm512_madd_epi16(scales.minimums, _mm512_broadcast_i32x4(words));
  const __m512i pairs =
      _mm512_add_epi32(products, _mm512_shuffle_epi32(products, static_cast<_MM_PERM_ENUM>(0xb1)));
  return EveryFourth(_mm512_add_epi32(pairs, _mm512_shuffle_epi32(pairs, static_cast<_MM_PERM_ENUM>(0x4e))));
}

// Types with blocks of 256 columns, four rows.
template <typename Type, uint32_t kTokens>
void DecodeSuperBlocks(const MatMulArgs& args, uint32_t row, uint32_t token) {
  constexpr size_t kBlockBytes = GeometryOf(Type::kType).bytes;
  const MatrixView& weights = *args.weights;
  std::array<const std::byte*, 4> blocks = RowPointers<4>(weights, row, args.row_end);
  const QuantizedRow* const x = args.quantized_rows + token;
  __m128 sums[kTokens];
  for (__m128& sum : sums) sum = _mm_setzero_ps();
  for (uint32_t b = 0; b < weights.cols / 256; ++b) {
    const FourRowScales scales = Type::UnpackFour(blocks.data());
    const int8_t* values[kTokens];
    for (uint32_t t = 0; t < kTokens; ++t) values[t] = x[t].codes + size_t{b} * 256;
    __m512i partial[kTokens][4];
    MultiplyBlocks<Type, kTokens>(blocks, scales, values, partial);
    for (const std::byte*& block : blocks) {
      PrefetchBytes(block + 4 * weights.row_bytes, kBlockBytes);
      block += kBlockBytes;
    }
    for (uint32_t t = 0; t < kTokens; ++t) {
      if constexpr (Type::kOffset != 0)
        SubtractOffset<Type>(scales, x[t].sums_16 + size_t{b} * 16, partial[t]);
      const __m128 x_scale = _mm_set1_ps(x[t].scales[b]);
      const __m128 products = _mm_cvtepi32_ps(SumEach(partial[t]));
      sums[t] = _mm_fmadd_ps(_mm_mul_ps(scales.scale, x_scale), products, sums[t]);
      if constexpr (Type::kHasMinimum) {
        const __m128 minimums = _mm_cvtepi32_ps(MinimumSums(scales, x[t].sums_32 + size_t{b} * 8));
        sums[t] = _mm_fnmadd_ps(_mm_mul_ps(scales.minimum, x_scale), minimums, sums[t]);
      }
    }
  }
  const uint32_t count = std::min(4U, args.row_end - row);
  for (uint32_t t = 0; t < kTokens; ++t) {
    float* const out = args.out + (token + t) * args.out_stride + (row - args.row_begin);
    _mm_mask_storeu_ps(out, static_cast<__mmask8>((1U << count) - 1), sums[t]);
  }
}

template <typename Type>
struct Block32Decode {
  static constexpr uint32_t kRows = 8;
  template <uint32_t kTokens>
  static void Tile(const MatMulArgs& args, uint32_t row, uint32_t token) {
    DecodeBlocks32<Type, kTokens>(args, row, token);
  }
};

template <typename Type>
struct SuperBlockDecode {
  static constexpr uint32_t kRows = 4;
  template <uint32_t kTokens>
  static void Tile(const MatMulArgs& args, uint32_t row, uint32_t token) {
    DecodeSuperBlocks<Type, kTokens>(args, row, token);
  }
};

// All rows and tokens of `args`, up to four tokens at a time.
template <typename Decode>
void DecodeRows(const MatMulArgs& args) {
  for (uint32_t row = args.row_begin; row < args.row_end; row += Decode::kRows) {
    for (uint32_t token = 0; token < args.num_tokens; token += 4) {
      switch (std::min(4U, args.num_tokens - token)) {
        case 1:
          Decode::template Tile<1>(args, row, token);
          break;
        case 2:
          Decode::template Tile<2>(args, row, token);
          break;
        case 3:
          Decode::template Tile<3>(args, row, token);
          break;
        default:
          Decode::template Tile<4>(args, row, token);
      }
    }
  }
}

}  // namespace
}  // namespace mimo
