#pragma once
// Products of quantised weights with many tokens: sixteen rows at a time are unpacked into a panel that stays
// in the caches while all tokens pass. Include after integer_decode_avx512.h.
//
// A panel holds for every four columns 64 bytes, four of each row, so that one instruction adds the products
// of four columns to the sums of sixteen rows.

#include "kernels/kernels.h"

namespace mimo {
namespace {

constexpr uint32_t kPanelRows = 16;

// Sixteen rows in the scratch memory of the caller.
struct RowPanel {
  RowPanel(std::byte* memory, uint32_t cols)
      : codes(memory),
        sub_scales(reinterpret_cast<int32_t*>(codes + size_t{cols} * kPanelRows)),
        minimums(reinterpret_cast<int16_t*>(sub_scales + cols / 16 * kPanelRows)),
        scales(reinterpret_cast<float*>(minimums + cols / 32 * kPanelRows)),
        block_minimums(scales + cols / 32 * kPanelRows) {}

  std::byte* codes;       // [cols / 4, 16, 4]
  int32_t* sub_scales;    // [sub-blocks, 16]
  int16_t* minimums;      // [pairs of sub-blocks, 16, 2]
  float* scales;          // [blocks, 16]
  float* block_minimums;  // [blocks, 16]
};
static_assert(PanelScratchBytes(256) >= 256 * (16 + 4 + 1) + 256 / 32 * 16 * 2 * sizeof(float));

// v[i] = 64 columns of row i becomes v[k] = columns 4 k ... 4 k + 3 of the sixteen rows.
inline void TransposeWords(__m512i (&v)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // v[4 g + j]: rows 4 g ... 4 g + 3; its 128-bit lane l holds word 4 l + j of each.
  for (int j = 0; j < 4; ++j) {
    const __m512i low_01 = _mm512_shuffle_i32x4(v[j], v[4 + j], 0x88);
    const __m512i high_01 = _mm512_shuffle_i32x4(v[j], v[4 + j], 0xdd);
    const __m512i low_23 = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0x88);
    const __m512i high_23 = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0xdd);
    t[j] = _mm512_shuffle_i32x4(low_01, low_23, 0x88);
    t[8 + j] = _mm512_shuffle_i32x4(low_01, low_23, 0xdd);
    t[4 + j] = _mm512_shuffle_i32x4(high_01, high_23, 0x88);
    t[12 + j] = _mm512_shuffle_i32x4(high_01, high_23, 0xdd);
  }
  for (int i = 0; i < 16; ++i) v[i] = t[i];
}

// The panel's side of types with blocks of 32 columns, which have no sub-blocks.
template <typename Type>
struct Block32Panel {
  static constexpr uint32_t kBlockColumns = 32;
  static constexpr uint32_t kSubColumns = 32;
  static constexpr bool kHasSubScales = false;
  static constexpr bool kHasMinimum = Type::kHasMinimum;
  static constexpr int32_t kOffset = Type::kOffset;

  static void Pack(const MatMulArgs& args, uint32_t row, const RowPanel& panel) {
    const MatrixView& weights = *args.weights;
    const EightRows rows[2] = {EightBlockRows(weights, row, args.row_end),
                               EightBlockRows(weights, row + 8, args.row_end)};
    const uint32_t blocks = weights.cols / kBlockColumns;
    for (uint32_t b = 0; b < blocks; b += 2) {
      const bool is_pair = b + 1 < blocks;
      __m512i v[16];
      for (uint32_t r = 0; r < kPanelRows; ++r) {
        const BlockRow& of_row = rows[r / 8][r % 8];
        const __m512i first = _mm512_castsi256_si512(Type::Codes(of_row, b));
        v[r] = _mm512_inserti64x4(first, Type::Codes(of_row, is_pair ? b + 1 : b), 1);
      }
      TransposeWords(v);
      for (uint32_t k = 0; k < (is_pair ? 16 : 8); ++k) {
        _mm512_storeu_si512(panel.codes + (size_t{b} * 8 + k) * 64, v[k]);
      }
    }
    for (uint32_t b = 0; b < blocks; ++b) {
      for (uint32_t half = 0; half < 2; ++half) {
        _mm256_storeu_ps(panel.scales + b * kPanelRows + half * 8, Type::Scales(rows[half], b));
        if constexpr (kHasMinimum) {
          _mm256_storeu_ps(panel.block_minimums + b * kPanelRows + half * 8, Type::Minimums(rows[half], b));
        }
      }
    }
  }
};

using PanelRowPointers = std::array<const std::byte*, kPanelRows>;

template <typename Type>
struct SuperBlockPanel {
  static constexpr WeightType kType = Type::kType;
  static constexpr uint32_t kBlockColumns = 256;
  static constexpr uint32_t kSubColumns = Type::kSubColumns;
  static constexpr bool kHasSubScales = true;
  static constexpr bool kHasMinimum = Type::kHasMinimum;
  static constexpr int32_t kOffset = Type::kOffset;

  static void Pack(const MatMulArgs& args, uint32_t row, const RowPanel& panel) {
    const auto rows = RowPointers<kPanelRows>(*args.weights, row, args.row_end);
    for (uint32_t b = 0; b < args.weights->cols / kBlockColumns; ++b) {
#pragma GCC unroll 4
      for (uint32_t part = 0; part < 4; ++part) {
        __m512i v[16];
        for (uint32_t r = 0; r < kPanelRows; ++r) v[r] = Type::Codes(Block(rows, r, b), part);
        TransposeWords(v);
        for (uint32_t k = 0; k < 16; ++k) {
          _mm512_storeu_si512(panel.codes + (size_t{b} * 64 + part * 16 + k) * 64, v[k]);
        }
      }
      for (uint32_t r = 0; r < kPanelRows; ++r) PackScales(Type::Unpack(Block(rows, r, b)), b, r, panel);
    }
  }

 private:
  static const std::byte* Block(const PanelRowPointers& rows, uint32_t row, uint32_t block) {
    return rows[row] + size_t{block} * GeometryOf(kType).bytes;
  }

  static void PackScales(const BlockScales& scales, uint32_t block, uint32_t row, const RowPanel& panel) {
    constexpr uint32_t kSubBlocks = kBlockColumns / kSubColumns;
    panel.scales[block * kPanelRows + row] = scales.scale;
    for (uint32_t s = 0; s < kSubBlocks; ++s) {
      panel.sub_scales[(block * kSubBlocks + s) * kPanelRows + row] = scales.scales[s];
    }
    if constexpr (kHasMinimum) {
      panel.block_minimums[block * kPanelRows + row] = scales.minimum;
      for (uint32_t s = 0; s < kSubBlocks; ++s) {
        panel.minimums[((block * kSubBlocks + s) / 2 * kPanelRows + row) * 2 + s % 2] = scales.minimums[s];
      }
    }
  }
};

// Four bytes in every lane.
inline __m512i BroadcastWord(const void* at) {
  int32_t word;
  std::memcpy(&word, at, sizeof(word));
  return _mm512_set1_epi32(word);
}

// The integers of one block: sixteen rows x kTokens.
template <typename Type, uint32_t kTokens>
struct PanelBlock {
  // products[t] = sum over the sub-blocks of scale * (code - offset) * x's code.
  static void Multiply(const RowPanel& panel, const QuantizedRow* x, uint32_t block,
                       __m512i (&products)[kTokens]) {
    constexpr uint32_t kSubBlocks = Type::kBlockColumns / Type::kSubColumns;
    if constexpr (Type::kHasSubScales) {
      for (__m512i& product : products) product = _mm512_setzero_si512();
    }
    for (uint32_t s = 0; s < kSubBlocks; ++s) {
      const uint32_t sub_block = block * kSubBlocks + s;
      __m512i sums[kTokens];
      for (uint32_t t = 0; t < kTokens; ++t) sums[t] = Start(x[t], sub_block);
      const uint32_t first = sub_block * (Type::kSubColumns / 4);
#pragma GCC unroll 8
      for (uint32_t k = first; k < first + Type::kSubColumns / 4; ++k) {
        const __m512i codes = _mm512_loadu_si512(panel.codes + size_t{k} * 64);
        for (uint32_t t = 0; t < kTokens; ++t) {
          sums[t] = _mm512_dpbusd_epi32(sums[t], codes, BroadcastWord(x[t].codes + size_t{k} * 4));
        }
      }
      if constexpr (Type::kHasSubScales) {
        const __m512i scales = _mm512_loadu_si512(panel.sub_scales + sub_block * kPanelRows);
        for (uint32_t t = 0; t < kTokens; ++t) {
          products[t] = _mm512_add_epi32(products[t], _mm512_mullo_epi32(sums[t], scales));
        }
      } else {
        for (uint32_t t = 0; t < kTokens; ++t) products[t] = sums[t];
      }
    }
  }

  static __m512i Minimums(const RowPanel& panel, const QuantizedRow& x, uint32_t block) {
    __m512i sum = _mm512_setzero_si512();
    for (uint32_t pair = block * 4; pair < block * 4 + 4; ++pair) {
      const __m512i minimums = _mm512_loadu_si512(panel.minimums + size_t{pair} * kPanelRows * 2);
      sum = _mm512_dpwssd_epi32(sum, minimums, BroadcastWord(x.sums_32 + size_t{pair} * 2));
    }
    return sum;
  }

 private:
  // What kOffset adds to every code is taken off beforehand.
  static __m512i Start(const QuantizedRow& x, uint32_t sub_block) {
    if constexpr (Type::kOffset == 0) return _mm512_setzero_si512();
    const int32_t sum = Type::kSubColumns == 16 ? x.sums_16[sub_block] : x.sums_32[sub_block];
    return _mm512_set1_epi32(-Type::kOffset * sum);
  }
};

// out[t][r] for the rows of the panel that `rows` selects.
template <typename Type, uint32_t kTokens>
void MultiplyPanel(const MatMulArgs& args, const RowPanel& panel, uint32_t token, uint32_t row) {
  using Block = PanelBlock<Type, kTokens>;
  const QuantizedRow* const x = args.quantized_rows + token;
  __m512 sums[kTokens];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (uint32_t b = 0; b < args.weights->cols / Type::kBlockColumns; ++b) {
    __m512i products[kTokens];
    Block::Multiply(panel, x, b, products);
    const __m512 scales = _mm512_loadu_ps(panel.scales + b * kPanelRows);
    for (uint32_t t = 0; t < kTokens; ++t) {
      const __m512 x_scale = _mm512_set1_ps(x[t].scales[b]);
      sums[t] = _mm512_fmadd_ps(_mm512_mul_ps(scales, x_scale), _mm512_cvtepi32_ps(products[t]), sums[t]);
      if constexpr (Type::kHasMinimum) {
        const __m512 minimums =
            _mm512_mul_ps(_mm512_loadu_ps(panel.block_minimums + b * kPanelRows), x_scale);
        sums[t] =
            Type::kHasSubScales
                ? _mm512_fnmadd_ps(minimums, _mm512_cvtepi32_ps(Block::Minimums(panel, x[t], b)), sums[t])
                : _mm512_fmadd_ps(minimums, _mm512_set1_ps(static_cast<float>(x[t].sums_32[b])), sums[t]);
      }
    }
  }
  const uint32_t count = std::min(kPanelRows, args.row_end - row);
  for (uint32_t t = 0; t < kTokens; ++t) {
    float* const out = args.out + (token + t) * args.out_stride + (row - args.row_begin);
    _mm512_mask_storeu_ps(out, static_cast<__mmask16>((1U << count) - 1), sums[t]);
  }
}

template <typename Type>
void PanelRows(const MatMulArgs& args) {
  const RowPanel panel(args.panel_scratch, args.weights->cols);
  for (uint32_t row = args.row_begin; row < args.row_end; row += kPanelRows) {
    Type::Pack(args, row, panel);
    uint32_t token = 0;
    for (; token + 4 <= args.num_tokens; token += 4) MultiplyPanel<Type, 4>(args, panel, token, row);
    if (args.num_tokens - token >= 2) {
      MultiplyPanel<Type, 2>(args, panel, token, row);
      token += 2;
    }
    if (token < args.num_tokens) MultiplyPanel<Type, 1>(args, panel, token, row);
  }
}

// Unpacking a panel costs as much as multiplying it with this many tokens one by one.
constexpr uint32_t kPanelTokensMin = 8;

template <typename Decode, typename PanelType>
void IntegerMatMul(const MatMulArgs& args) {
  if (args.num_tokens < kPanelTokensMin) {
    DecodeRows<Decode>(args);
  } else {
    PanelRows<PanelType>(args);
  }
}

}  // namespace
}  // namespace mimo
