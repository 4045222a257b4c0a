#pragma once
// Products with FP8 weights: 64 codes become bfloat16 numbers at once, by look-ups of their two bytes. Same
// bits as Bf16MatMulReference. Include after bf16_dot_avx512.h.
//
// For a few tokens the codes are read in place and decoded on the way; for many, four rows at a time are
// decoded into a panel that stays in the caches while all tokens pass.

#include <array>
#include <cstring>

#include "kernels/row_pointers.h"

namespace mimo {
namespace {

constexpr uint32_t kCodes = 64;  // decoded at once

// Byte `index` of the bfloat16 numbers of the 128 codes without a sign. All are normal numbers or zero: the
// smallest is 2^-9.
constexpr std::array<uint8_t, 128> MagnitudeBytes(uint32_t index) {
  std::array<uint8_t, 128> bytes = {};
  for (uint32_t code = 1; code < 128; ++code) {
    uint32_t exponent = std::max(code >> 3, 1U);
    uint32_t mantissa = code - ((exponent - 1) << 3);  // with the leading bit where there is one
    exponent += 120;
    for (; mantissa < 8; mantissa *= 2) --exponent;
    const uint32_t bits = code == 127 ? 0x7fc0 : (exponent << 7) | (mantissa % 8 << 4);
    bytes[code] = static_cast<uint8_t>(bits >> (8 * index));
  }
  return bytes;
}

// Decodes codes; lives in registers.
class Fp8Decoder {
 public:
  Fp8Decoder() {
    alignas(64) static constexpr std::array<uint8_t, 128> kBytes[2] = {MagnitudeBytes(0), MagnitudeBytes(1)};
    for (uint32_t i = 0; i < 2; ++i) {
      low_[i] = _mm512_load_si512(kBytes[0].data() + i * 64);
      high_[i] = _mm512_load_si512(kBytes[1].data() + i * 64);
    }
  }

  // Columns [0, 32) and [32, 64) of the codes.
  void operator()(__m512i codes, __m512bh& first, __m512bh& second) const {
    // Interleaving takes the lower 8 of each 16 bytes for the first result.
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    codes = _mm512_permutexvar_epi64(order, codes);
    const __m512i low = _mm512_permutex2var_epi8(low_[0], codes, low_[1]);
    const __m512i magnitude = _mm512_permutex2var_epi8(high_[0], codes, high_[1]);
    constexpr int kOrAnd = 0xf8;  // a | (b & c)
    const __m512i high = _mm512_ternarylogic_epi64(magnitude, codes, _mm512_set1_epi8(-128), kOrAnd);
    first = std::bit_cast<__m512bh>(_mm512_unpacklo_epi8(low, high));
    second = std::bit_cast<__m512bh>(_mm512_unpackhi_epi8(low, high));
  }

 private:
  __m512i low_[2];
  __m512i high_[2];
};

// Where the scales of a row begin, one for each block of columns.
inline const std::byte* RowScales(const MatrixView& m, uint32_t row) {
  const uint32_t scale_cols = (m.cols + kFp8BlockSize - 1) / kFp8BlockSize;
  const uint32_t scale_rows_per_chunk = (m.rows_per_chunk + kFp8BlockSize - 1) / kFp8BlockSize;
  const uint32_t scale_row =
      row / m.rows_per_chunk * scale_rows_per_chunk + row % m.rows_per_chunk / kFp8BlockSize;
  return m.scales + size_t{scale_row} * scale_cols * sizeof(float);
}

// The rows of a tile; those beyond args.row_end are the last one again.
struct Fp8Rows {
  Fp8Rows(const MatMulArgs& args, uint32_t row)
      : codes(RowPointers<kTileRows>(*args.weights, row, args.row_end)) {
    for (uint32_t i = 0; i < kTileRows; ++i) {
      scales[i] = RowScales(*args.weights, std::min(row + i, args.row_end - 1));
    }
  }
  __m512 Scale(uint32_t r, uint32_t block) const {
    float scale;
    std::memcpy(&scale, scales[r] + size_t{block} * sizeof(float), sizeof(scale));
    return _mm512_set1_ps(scale);
  }
  std::array<const std::byte*, kTileRows> codes;
  std::array<const std::byte*, kTileRows> scales;
};

// Which sums of a tile: the rows from `first` on, of one block of columns.
struct BlockOfRows {
  uint32_t first;
  uint32_t block;
};

// sums += of_block * its scales, for kRows rows.
template <uint32_t kTokens, uint32_t kRows>
inline void AddScaled(const __m512 (&of_block)[kTokens][kRows], const Fp8Rows& rows, BlockOfRows at,
                      TileSums<kTokens>& sums) {
#pragma GCC unroll 4
  for (uint32_t r = 0; r < kRows; ++r) {
    const __m512 scale = rows.Scale(at.first + r, at.block);
#pragma GCC unroll 4
    for (uint32_t t = 0; t < kTokens; ++t) {
      __m512& sum = sums[t][at.first + r];
      sum = _mm512_fmadd_ps(of_block[t][r], scale, sum);
    }
  }
}

// Codes of up to 64 columns from k on, zeros after the last.
inline __m512i LoadFirstCodes(const std::byte* row, uint32_t k, uint32_t cols) {
  if (k >= cols) return _mm512_setzero_si512();
  const uint32_t left = cols - k;
  return _mm512_maskz_loadu_epi8(left < kCodes ? (uint64_t{1} << left) - 1 : ~uint64_t{0}, row + k);
}

// One token and four rows, one after the other, in the order in which the codes lie; Bf16RowsInOrder says
// why.
inline void Fp8RowsInOrder(const MatMulArgs& args, uint32_t row) {
  const uint32_t cols = args.weights->cols;
  const Fp8Rows rows(args, row);
  const Fp8Decoder decode;
  const Bf16* const x = args.quantized_rows[0].bf16;
  TileSums<1> sums;
  ClearSums<1>(sums);
  for (uint32_t r = 0; r < kTileRows; ++r) {
    __m512 sum = _mm512_setzero_ps();
    for (uint32_t begin = 0; begin < cols; begin += kFp8BlockSize) {
      const bool is_whole = begin + kFp8BlockSize <= cols;
      __m512 of_block = _mm512_setzero_ps();
#pragma GCC unroll 2
      for (uint32_t k = begin; k < begin + kFp8BlockSize; k += kCodes) {
        const std::byte* const at = rows.codes[r] + k;
        PrefetchNextPage(at);
        __m512bh w[2];
        decode(is_whole ? _mm512_loadu_si512(at) : LoadFirstCodes(rows.codes[r], k, cols), w[0], w[1]);
        of_block = _mm512_dpbf16_ps(of_block, w[0], LoadBf16(x + k));
        of_block = _mm512_dpbf16_ps(of_block, w[1], LoadBf16(x + k + kDotColumns));
      }
      sum = _mm512_fmadd_ps(of_block, rows.Scale(r, begin / kFp8BlockSize), sum);
    }
    sums[0][r] = sum;
  }
  StoreSums<1>(args, row, 0, sums);
}

// Four rows in place with all tokens, two at least.
template <uint32_t kTokens>
class Fp8Tile {
 public:
  Fp8Tile(const MatMulArgs& args, uint32_t row) : args_(args), row_(row), rows_(args, row) {
    for (uint32_t t = 0; t < kTokens; ++t) x_[t] = args.quantized_rows[t].bf16;
    ClearSums<kTokens>(sums_);
  }

  void Run() {
    const uint32_t cols = args_.weights->cols;
    uint32_t begin = 0;
    for (; begin + kFp8BlockSize <= cols; begin += kFp8BlockSize) {
      AddBlock(begin, [this](uint32_t r, uint32_t k) { return _mm512_loadu_si512(rows_.codes[r] + k); });
    }
    if (begin < cols) {
      AddBlock(begin,
               [this, cols](uint32_t r, uint32_t k) { return LoadFirstCodes(rows_.codes[r], k, cols); });
    }
    StoreSums<kTokens>(args_, row_, 0, sums_);
  }

 private:
  // Whose sums of a block fit the registers beside the decoder.
  static constexpr uint32_t kRowsAtOnce = kTokens <= 2 ? 4 : 2;

  template <typename Load>
  void AddBlock(uint32_t begin, const Load& load) {
#pragma GCC unroll 2
    for (uint32_t first = 0; first < kTileRows; first += kRowsAtOnce) {
      __m512 of_block[kTokens][kRowsAtOnce];
      for (auto& of_token : of_block) std::fill_n(of_token, kRowsAtOnce, _mm512_setzero_ps());
#pragma GCC unroll 2
      for (uint32_t k = begin; k < begin + kFp8BlockSize; k += kCodes) {
        __m512bh w[kRowsAtOnce][2];
#pragma GCC unroll 4
        for (uint32_t r = 0; r < kRowsAtOnce; ++r) {
          decode_(load(first + r, k), w[r][0], w[r][1]);
          PrefetchNextTile(rows_.codes[first + r] + k, args_.weights->row_bytes);
        }
#pragma GCC unroll 4
        for (uint32_t t = 0; t < kTokens; ++t) {
          const __m512bh x[2] = {LoadBf16(x_[t] + k), LoadBf16(x_[t] + k + kDotColumns)};
#pragma GCC unroll 4
          for (uint32_t r = 0; r < kRowsAtOnce; ++r) {
            of_block[t][r] = _mm512_dpbf16_ps(of_block[t][r], w[r][0], x[0]);
            of_block[t][r] = _mm512_dpbf16_ps(of_block[t][r], w[r][1], x[1]);
          }
        }
      }
      AddScaled(of_block, rows_, {.first = first, .block = begin / kFp8BlockSize}, sums_);
    }
  }

  const MatMulArgs& args_;
  const uint32_t row_;
  const Fp8Rows rows_;
  const Fp8Decoder decode_;
  const Bf16* x_[kTokens];
  TileSums<kTokens> sums_;
};

// Four rows as bfloat16 numbers, [4, Bf16RowColumns(cols)], zeros after the last column.
inline void DecodePanel(const Fp8Rows& rows, const MatrixView& weights, Bf16* panel) {
  const Fp8Decoder decode;
  const uint32_t cols = weights.cols;
  const uint32_t padded = Bf16RowColumns(cols);
  for (uint32_t r = 0; r < kTileRows; ++r) {
    for (uint32_t k = 0; k < padded; k += kCodes) {
      PrefetchNextTile(rows.codes[r] + k, weights.row_bytes);
      __m512bh w[2];
      decode(LoadFirstCodes(rows.codes[r], k, cols), w[0], w[1]);
      Bf16* const out = panel + size_t{r} * padded + k;
      _mm512_store_si512(out, std::bit_cast<__m512i>(w[0]));
      _mm512_store_si512(out + kDotColumns, std::bit_cast<__m512i>(w[1]));
    }
  }
}

template <uint32_t kTokens>
void Fp8PanelTile(const MatMulArgs& args, const Fp8Rows& rows, uint32_t row, uint32_t token) {
  const uint32_t padded = Bf16RowColumns(args.weights->cols);
  const auto* const panel = reinterpret_cast<const Bf16*>(args.panel_scratch);
  const Bf16* x[kTokens];
  for (uint32_t t = 0; t < kTokens; ++t) x[t] = args.quantized_rows[token + t].bf16;
  TileSums<kTokens> sums;
  ClearSums<kTokens>(sums);
  for (uint32_t begin = 0; begin < padded; begin += kFp8BlockSize) {
    TileSums<kTokens> of_block;
    ClearSums<kTokens>(of_block);
#pragma GCC unroll 4
    for (uint32_t k = begin; k < begin + kFp8BlockSize; k += kDotColumns) {
      __m512bh w[kTileRows];
#pragma GCC unroll 4
      for (uint32_t r = 0; r < kTileRows; ++r) w[r] = LoadBf16(panel + size_t{r} * padded + k);
#pragma GCC unroll 8
      for (uint32_t t = 0; t < kTokens; ++t) {
        const __m512bh values = LoadBf16(x[t] + k);
#pragma GCC unroll 4
        for (uint32_t r = 0; r < kTileRows; ++r) {
          of_block[t][r] = _mm512_dpbf16_ps(of_block[t][r], w[r], values);
        }
      }
    }
    AddScaled(of_block, rows, {.first = 0, .block = begin / kFp8BlockSize}, sums);
  }
  StoreSums<kTokens>(args, row, token, sums);
}
static_assert(PanelScratchBytes(1) >= kTileRows * Bf16RowColumns(1) * sizeof(Bf16));

// Tokens of which a panel pays, and how many a tile takes without one and with one: 12 sums of a block and 12
// of all blocks stay in registers beside four weights and an input.
constexpr uint32_t kFp8PanelTokensMin = 5;
constexpr uint32_t kFp8TileTokens = kFp8PanelTokensMin - 1;
constexpr uint32_t kFp8PanelTileTokens = 3;

void Fp8MatMul(const MatMulArgs& args) {
  if (args.num_tokens == 1) {
    for (uint32_t row = args.row_begin; row < args.row_end; row += kTileRows) Fp8RowsInOrder(args, row);
    return;
  }
  if (args.num_tokens < kFp8PanelTokensMin) {
    for (uint32_t row = args.row_begin; row < args.row_end; row += kTileRows) {
      WithTokenCount<kFp8TileTokens>(args.num_tokens,
                                     [&](auto count) { Fp8Tile<decltype(count)::value>(args, row).Run(); });
    }
    return;
  }
  const uint32_t tokens_in_cache = TokensInCache(args.weights->cols);
  for (uint32_t begin = 0; begin < args.num_tokens; begin += tokens_in_cache) {
    const uint32_t end = std::min(args.num_tokens, begin + tokens_in_cache);
    for (uint32_t row = args.row_begin; row < args.row_end; row += kTileRows) {
      const Fp8Rows rows(args, row);
      DecodePanel(rows, *args.weights, reinterpret_cast<Bf16*>(args.panel_scratch));
      ForTokens<kFp8PanelTileTokens>(begin, end, [&](auto count, uint32_t token) {
        Fp8PanelTile<decltype(count)::value>(args, rows, row, token);
      });
    }
  }
}

}  // namespace
}  // namespace mimo
