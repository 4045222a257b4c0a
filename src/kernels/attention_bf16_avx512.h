#pragma once
// Products of attention over bfloat16 keys and values by bfloat16 dot products. Include after
// attention_simd.h and bf16_dot_avx512.h.
//
// Queries are rounded to bfloat16 before they are multiplied, as keys were when they were stored; weights are
// rounded to bfloat16 before they are summed, so that the denominator is the sum of what the values are
// multiplied with. The scale multiplies a score afterwards, in float32.
//
// A score sums 32 columns an instruction, in the order of a bfloat16 product (bf16_matmul_ref.h). A value
// sums two keys an instruction: those at even and odd indices of the tile, the odd one first. A key that is
// not there or that a row does not see has a weight of exactly 0.

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace mimo {
namespace {

// Two keys' weights for one row in 32 bits, the even key in the lower half.
using WeightPair = uint32_t;

inline __m512bh BroadcastPair(WeightPair pair) {
  return std::bit_cast<__m512bh>(_mm512_set1_epi32(static_cast<int32_t>(pair)));
}

// scores[i][r] = scale * (q_r . keys[i]), as ScoreKeys in attention_simd.h.
//
//   q  [dim / 32][kAttentionBlockRows][32], from the first row on
template <uint32_t kRows>
void ScoreBf16Keys(const Bf16* q, const Bf16* const* keys, uint32_t count, const AttentionArgs& args,
                   float* scores) {
  constexpr uint32_t kKeys = kSumsAtOnce / kRows;
  const Bf16* k[kKeys];
  Float16 sums[kSumsAtOnce];
  Unroll<kKeys>([&](auto i) MIMO_ALWAYS_INLINE { k[i] = keys[std::min<uint32_t>(i, count - 1)]; });
  Unroll<kSumsAtOnce>([&](auto i) MIMO_ALWAYS_INLINE { sums[i] = Simd::Zero(); });
  for (uint32_t d = 0; d < args.head_dim; d += kDotColumns, q += kAttentionBlockRows * kDotColumns) {
    __m512bh key[kKeys];
    Unroll<kKeys>([&](auto i) MIMO_ALWAYS_INLINE { key[i] = LoadBf16(k[i] + d); });
    Unroll<kRows>([&](auto r) MIMO_ALWAYS_INLINE {
      const __m512bh query = LoadBf16(q + r * kDotColumns);
      Unroll<kKeys>([&](auto i) MIMO_ALWAYS_INLINE {
        sums[i * kRows + r] = _mm512_dpbf16_ps(sums[i * kRows + r], key[i], query);
      });
    });
  }
  float folded[kSumsAtOnce];
  Simd::SumEach(sums, folded);
  const Float16 scaled = Simd::Multiply(Simd::Load(folded), Simd::Broadcast(args.scale));
  if constexpr (kRows == kAttentionBlockRows) {
    Simd::Store(scores, scaled);
  } else {
    Simd::Store(folded, scaled);
    for (uint32_t i = 0; i < count; ++i) {
      std::copy_n(folded + i * kRows, kRows, scores + i * kAttentionBlockRows);
    }
  }
}

// 32 columns of two keys' values side by side, as the dot product wants them: columns 0..3, 8..11, 16..19 and
// 24..27 in `low`, the others in `high`.
struct PairedValues {
  __m512bh low;
  __m512bh high;

  PairedValues(const Bf16* even, const Bf16* odd) {
    const __m512i a = _mm512_loadu_si512(even);
    const __m512i b = _mm512_loadu_si512(odd);
    low = std::bit_cast<__m512bh>(_mm512_unpacklo_epi16(a, b));
    high = std::bit_cast<__m512bh>(_mm512_unpackhi_epi16(a, b));
  }
};

// The sums of 32 columns in that order, from and to memory in the order of the columns.
struct PairedSums {
  __m512 low;
  __m512 high;

  static PairedSums Load(const float* p) {
    const __m512 a = _mm512_loadu_ps(p);
    const __m512 b = _mm512_loadu_ps(p + 16);
    return {_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd)};
  }
  void Store(float* p) const {
    const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i second = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    _mm512_storeu_ps(p, _mm512_permutex2var_ps(low, first, high));
    _mm512_storeu_ps(p + 16, _mm512_permutex2var_ps(low, second, high));
  }
};

struct Bf16ValueSums {
  const WeightPair* weights = nullptr;  // [pairs][kAttentionBlockRows], from the first row on
  const float* rescale = nullptr;       // [rows]
  uint32_t begin = 0;                   // pairs
  uint32_t end = 0;
  uint32_t dim = 0;
  float* values = nullptr;  // [rows, dim]
};

// values[r][d .. d + 32 * kGroups) = rescale[r] * itself + sum_j weights[j][r] * v[j], for kRows rows.
template <uint32_t kRows, uint32_t kGroups>
void AddBf16Values(const Bf16ValueSums& args, const Bf16* const* v, size_t d, const RowsAhead<Bf16>& ahead) {
  PairedSums sums[kRows * kGroups];
  float* const values = args.values + d;
  Unroll<kRows>([&](auto r) MIMO_ALWAYS_INLINE {
    const Float16 rescale = Simd::Broadcast(args.rescale[r]);
    Unroll<kGroups>([&](auto i) MIMO_ALWAYS_INLINE {
      PairedSums& sum = sums[r * kGroups + i];
      sum = PairedSums::Load(values + size_t{r} * args.dim + i * kDotColumns);
      sum.low = Simd::Multiply(rescale, sum.low);
      sum.high = Simd::Multiply(rescale, sum.high);
    });
  });
  for (uint32_t j = args.begin; j < args.end; ++j) {
    const WeightPair* const weights = args.weights + size_t{j} * kAttentionBlockRows;
    ahead.Fetch(2 * j);
    ahead.Fetch(2 * j + 1);
    Unroll<kGroups>([&](auto i) MIMO_ALWAYS_INLINE {
      const size_t column = d + i * kDotColumns;
      const PairedValues value(v[2 * j] + column, v[2 * j + 1] + column);
      Unroll<kRows>([&](auto r) MIMO_ALWAYS_INLINE {
        PairedSums& sum = sums[r * kGroups + i];
        const __m512bh weight = BroadcastPair(weights[r]);
        sum.low = _mm512_dpbf16_ps(sum.low, value.low, weight);
        sum.high = _mm512_dpbf16_ps(sum.high, value.high, weight);
      });
    });
  }
  Unroll<kRows>([&](auto r) MIMO_ALWAYS_INLINE {
    Unroll<kGroups>([&](auto i) MIMO_ALWAYS_INLINE {
      sums[r * kGroups + i].Store(values + size_t{r} * args.dim + i * kDotColumns);
    });
  });
}

// Requires: both head sizes are multiples of kDotColumns.
class Bf16Products {
 public:
  using Reader = TileReader<Bf16, RowSource::kInPlace>;
  using Tile = KeyTile<Bf16>;

  Bf16Products(const AttentionArgs& args, float* scores, float* scratch)
      : args_(args),
        rows_(args.num_tokens * args.num_heads),
        scores_(scores),
        weights_(reinterpret_cast<WeightPair*>(scratch)),
        queries_(reinterpret_cast<Bf16*>(scratch + kWeightsFloats)) {
    // The room for decoded keys and values, which are not needed, holds the weights.
    static_assert(kWeightsFloats <= kAttentionTile * kLanes);
  }

  Reader MakeReader() const { return Reader(args_, nullptr); }

  void PackQueries() {
    for (uint32_t row = 0; row < rows_; ++row) {
      const float* const q = QueryRow(args_, row);
      Bf16* const out = QueryBlock(row) + size_t{row % kAttentionBlockRows} * kDotColumns;
      for (uint32_t d = 0; d < args_.head_dim; d += kDotColumns) {
        StoreAsBf16(out + size_t{d} * kAttentionBlockRows, _mm512_loadu_ps(q + d),
                    _mm512_loadu_ps(q + d + 16));
      }
    }
  }

  template <uint32_t kRows>
  void Score(const RowBlock& block, uint32_t row, const Tile& tile, const RowsAhead<Bf16>& ahead) const {
    constexpr uint32_t kKeys = kSumsAtOnce / kRows;
    const Bf16* const q = QueryBlock(block.first) + row * kDotColumns;
    for (uint32_t j = block.begin; j < block.end; j += kKeys) {
      for (uint32_t i = 0; i < kKeys; ++i) ahead.Fetch(j + i);
      ScoreBf16Keys<kRows>(q, tile.k + j, std::min(kKeys, block.end - j), args_,
                           scores_ + j * kAttentionBlockRows + row);
    }
  }

  Float16 TakeWeights(uint32_t pair, Float16 weights) const {
    const auto rounded = std::bit_cast<__m256i>(_mm512_cvtneps_pbh(weights));
    const __m128i even = _mm256_castsi256_si128(rounded);  // one key's eight rows
    const __m128i odd = _mm256_extracti128_si256(rounded, 1);
    auto* const out = reinterpret_cast<__m128i*>(weights_ + size_t{pair} * kAttentionBlockRows);
    _mm_storeu_si128(out, _mm_unpacklo_epi16(even, odd));
    _mm_storeu_si128(out + 1, _mm_unpackhi_epi16(even, odd));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16));
  }

  template <uint32_t kRows>
  void SumValues(const RowBlock& block, uint32_t row, const float* rescale, const Tile& tile,
                 const RowsAhead<Bf16>& ahead) const {
    const Bf16* v[kAttentionTile];
    const uint32_t begin = block.begin / 2;
    const uint32_t end = (block.end + 1) / 2;
    std::copy(tile.v + block.begin, tile.v + block.end, v + block.begin);
    // Beside the first or the last key there may be none; it weighs nothing.
    if (block.begin % 2 != 0) v[block.begin - 1] = v[block.begin];
    if (block.end % 2 != 0) v[block.end] = v[block.end - 1];
    const Bf16ValueSums sums = {
        .weights = weights_ + row,
        .rescale = rescale + row,
        .begin = begin,
        .end = end,
        .dim = args_.v_head_dim,
        .values = args_.partial.values + size_t{block.first + row} * args_.v_head_dim};
    constexpr uint32_t kGroups = std::min(4U, std::max(1U, kSumsAtOnce / kRows / 2));
    const uint32_t passes = args_.v_head_dim / (kGroups * kDotColumns);
    for (uint32_t pass = 0; pass < passes; ++pass) {
      AddBf16Values<kRows, kGroups>(sums, v, pass * kGroups * kDotColumns, ahead.Part(pass, passes));
    }
    for (uint32_t d = passes * kGroups * kDotColumns; d < args_.v_head_dim; d += kDotColumns) {
      AddBf16Values<kRows, 1>(sums, v, d, {});
    }
  }

 private:
  static constexpr size_t kWeightsFloats = size_t{kAttentionTile} / 2 * kAttentionBlockRows;

  Bf16* QueryBlock(uint32_t row) const {
    return queries_ + size_t{row / kAttentionBlockRows} * kAttentionBlockRows * args_.head_dim;
  }

  const AttentionArgs& args_;
  const uint32_t rows_;
  float* const scores_;
  WeightPair* const weights_;  // [kAttentionTile / 2][kAttentionBlockRows]
  Bf16* const queries_;        // [blocks][head_dim / 32][kAttentionBlockRows][32]
};

// Whether the keys and values are bfloat16 numbers in whole vectors.
inline bool AreBf16Products(const AttentionArgs& args) {
  return args.element == KvElement::kBf16 && args.head_dim % kDotColumns == 0 &&
         args.v_head_dim % kDotColumns == 0;
}

}  // namespace
}  // namespace mimo
