#pragma once
// How the integer products read the blocks of each type. Include only from files compiled for AVX-512 with
// VNNI.
//
// A type gives codes without a sign, because the multiplier wants one factor without:
//
//   element = scale * (code - kOffset) + minimum                                             blocks of 32
//   element = (scale * sub-block's scale) * (code - kOffset) - minimum * sub-block's minimum        of 256

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/block_layouts.h"

namespace mimo {
namespace {

// ---- Blocks of 32 columns.

// One row: its blocks, and its scales where they stand apart.
struct BlockRow {
  const std::byte* blocks = nullptr;
  const std::byte* scales = nullptr;
};
using EightRows = std::array<BlockRow, 8>;

// 16 bits of each row, put together in registers: stores of 2 bytes cannot be forwarded to a load of 16.
inline __m128i EightWords(const EightRows& rows, size_t offset) {
  const auto word = [&](uint32_t row) {
    uint16_t bits;
    std::memcpy(&bits, rows[row].blocks + offset, sizeof(bits));
    return static_cast<short>(bits);
  };
  return _mm_setr_epi16(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7));
}

// byte(row) of each row.
template <typename Byte>
__m128i EightBytes(const Byte& byte) {
  uint64_t bytes = 0;
  for (uint32_t row = 0; row < 8; ++row) bytes |= uint64_t{static_cast<uint8_t>(byte(row))} << (8 * row);
  return _mm_cvtsi64_si128(static_cast<long long>(bytes));
}

inline __m128i Load128(const std::byte* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
inline __m256i Load256(const std::byte* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

// 16 bytes of nibbles: the low ones are the first 16 columns.
inline __m256i NibblesByHalf(const std::byte* at) {
  const __m128i bytes = Load128(at);
  const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(bytes), _mm_srli_epi16(bytes, 4), 1);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

// Bit c of the word as 16 or 0 in byte c.
inline __m256i FifthBits(const std::byte* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof(word));
  return _mm256_maskz_set1_epi8(word, 16);
}

inline __m256i LookUp(__m128i table, __m256i nibbles) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}

// The doubled E2M1 values plus 12; their scale is halved.
inline __m256i E2M1Codes(__m256i nibbles) {
  return LookUp(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0), nibbles);
}

// 2^(e - 127) / 2 of eight exponents, NaN for 255.
inline __m256 HalvedE8M0(__m128i exponents) {
  const __m256i wide = _mm256_cvtepu8_epi32(exponents);
  // 2^-127 has no exponent bits: it is the subnormal number whose upper fraction bit is set.
  const __m256i bits = _mm256_max_epi32(_mm256_slli_epi32(wide, 23), _mm256_set1_epi32(0x00400000));
  const __mmask8 is_nan = _mm256_cmpeq_epi32_mask(wide, _mm256_set1_epi32(255));
  const __m256i checked = _mm256_mask_mov_epi32(bits, is_nan, _mm256_set1_epi32(0x7fc00000));
  return _mm256_mul_ps(_mm256_castsi256_ps(checked), _mm256_set1_ps(0.5F));
}

// Types whose block begins with its float16 scale.
template <typename Block>
struct LeadingScale {
  static constexpr bool kHasMinimum = false;
  static __m256 Scales(const EightRows& rows, uint32_t b) {
    return _mm256_cvtph_ps(EightWords(rows, b * sizeof(Block)));
  }
  static __m256 Minimums(const EightRows& /*rows*/, uint32_t /*b*/) { return _mm256_setzero_ps(); }
};

// And its float16 minimum after it.
template <typename Block>
struct LeadingScaleAndMinimum : LeadingScale<Block> {
  static constexpr bool kHasMinimum = true;
  static __m256 Minimums(const EightRows& rows, uint32_t b) {
    return _mm256_cvtph_ps(EightWords(rows, b * sizeof(Block) + sizeof(uint16_t)));
  }
};

struct Q80Blocks : LeadingScale<BlockQ80> {
  static constexpr WeightType kType = WeightType::kQ80;
  static constexpr int32_t kOffset = 128;
  static __m256i Codes(const BlockRow& row, uint32_t b) {
    const __m256i codes = Load256(row.blocks + b * sizeof(BlockQ80) + offsetof(BlockQ80, codes));
    return _mm256_xor_si256(codes, _mm256_set1_epi8(static_cast<char>(0x80)));
  }
};

struct Q40Blocks : LeadingScale<BlockQ40> {
  static constexpr WeightType kType = WeightType::kQ40;
  static constexpr int32_t kOffset = 8;
  static __m256i Codes(const BlockRow& row, uint32_t b) {
    return NibblesByHalf(row.blocks + b * sizeof(BlockQ40) + offsetof(BlockQ40, codes));
  }
};

struct Q41Blocks : LeadingScaleAndMinimum<BlockQ41> {
  static constexpr WeightType kType = WeightType::kQ41;
  static constexpr int32_t kOffset = 0;
  static __m256i Codes(const BlockRow& row, uint32_t b) {
    return NibblesByHalf(row.blocks + b * sizeof(BlockQ41) + offsetof(BlockQ41, codes));
  }
};

struct Q50Blocks : LeadingScale<BlockQ50> {
  static constexpr WeightType kType = WeightType::kQ50;
  static constexpr int32_t kOffset = 16;
  static __m256i Codes(const BlockRow& row, uint32_t b) {
    const std::byte* const block = row.blocks + b * sizeof(BlockQ50);
    return _mm256_or_si256(NibblesByHalf(block + offsetof(BlockQ50, codes)),
                           FifthBits(block + offsetof(BlockQ50, high_bits)));
  }
};

struct Q51Blocks : LeadingScaleAndMinimum<BlockQ51> {
  static constexpr WeightType kType = WeightType::kQ51;
  static constexpr int32_t kOffset = 0;
  static __m256i Codes(const BlockRow& row, uint32_t b) {
    const std::byte* const block = row.blocks + b * sizeof(BlockQ51);
    return _mm256_or_si256(NibblesByHalf(block + offsetof(BlockQ51, codes)),
                           FifthBits(block + offsetof(BlockQ51, high_bits)));
  }
};

struct Iq4NlBlocks : LeadingScale<BlockIq4Nl> {
  static constexpr WeightType kType = WeightType::kIq4Nl;
  static constexpr int32_t kOffset = 128;
  static __m256i Codes(const BlockRow& row, uint32_t b) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Values));
    const __m256i values =
        LookUp(table, NibblesByHalf(row.blocks + b * sizeof(BlockIq4Nl) + offsetof(BlockIq4Nl, codes)));
    return _mm256_xor_si256(values, _mm256_set1_epi8(static_cast<char>(0x80)));
  }
};

// ggml's mxfp4.
struct MxFp4Blocks {
  static constexpr WeightType kType = WeightType::kMxFp4Block;
  static constexpr int32_t kOffset = 12;
  static constexpr bool kHasMinimum = false;
  static __m256i Codes(const BlockRow& row, uint32_t b) {
    return E2M1Codes(NibblesByHalf(row.blocks + b * sizeof(BlockMxFp4) + offsetof(BlockMxFp4, codes)));
  }
  static __m256 Scales(const EightRows& rows, uint32_t b) {
    return HalvedE8M0(EightBytes([&](uint32_t row) { return rows[row].blocks[b * sizeof(BlockMxFp4)]; }));
  }
  static __m256 Minimums(const EightRows& /*rows*/, uint32_t /*b*/) { return _mm256_setzero_ps(); }
};

// Of released MXFP4 checkpoints: neighbouring columns share a byte, scales stand apart.
struct SeparateMxFp4Blocks {
  static constexpr WeightType kType = WeightType::kMxFp4;
  static constexpr int32_t kOffset = 12;
  static constexpr bool kHasMinimum = false;
  static __m256i Codes(const BlockRow& row, uint32_t b) {
    const __m128i bytes = Load128(row.blocks + size_t{b} * 16);
    const __m128i low = _mm_and_si128(bytes, _mm_set1_epi8(15));
    const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
    const __m256i first = _mm256_castsi128_si256(_mm_unpacklo_epi8(low, high));
    return E2M1Codes(_mm256_inserti128_si256(first, _mm_unpackhi_epi8(low, high), 1));
  }
  static __m256 Scales(const EightRows& rows, uint32_t b) {
    return HalvedE8M0(EightBytes([&](uint32_t row) { return rows[row].scales[b]; }));
  }
  static __m256 Minimums(const EightRows& /*rows*/, uint32_t /*b*/) { return _mm256_setzero_ps(); }
};

// The small numbers of one block, for panels.
struct BlockScales {
  float scale = 0;
  float minimum = 0;
  int16_t scales[16] = {};    // [columns / kSubColumns]
  int16_t minimums[16] = {};  // the same, zero where the type has none
};

// ---- Blocks of 256 columns.

// The same of four rows, as decoding wants them. Words are 16 bits.
struct FourRowScales {
  // kSubColumns = 32: scales[0] has 8 words of each row. 16: scales[0] those of rows 0 and 1, scales[1] of 2
  // and 3, 16 words of each row.
  __m512i scales[2];
  __m512i minimums;  // 8 words of each row; types with minimums only
  __m128 scale;      // [4]
  __m128 minimum;    // [4]
};

inline __m512i LoadFour128(const std::byte* const* at, size_t offset) {
  const auto load = [&](int row) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at[row] + offset));
  };
  __m512i four = _mm512_castsi128_si512(load(0));
  four = _mm512_inserti32x4(four, load(1), 1);
  four = _mm512_inserti32x4(four, load(2), 2);
  return _mm512_inserti32x4(four, load(3), 3);
}

// Lanes 0, 4, 8 and 12 of 32 bits.
inline __m128i EveryFourth(__m512i v) {
  const __m512i lanes = _mm512_castsi128_si512(_mm_setr_epi32(0, 4, 8, 12));
  return _mm512_castsi512_si128(_mm512_permutexvar_epi32(lanes, v));
}

// The 6-bit scales and minimums that q4_k and q5_k share: block_layouts.h draws their twelve bytes.
struct SixBitScales {
  static BlockScales Unpack(const std::byte* block) {
    const auto head = LoadBlock<BlockQ4K>(block);  // q5_k begins with the same fields
    BlockScales result;
    result.scale = ToFloat(head.scale);
    result.minimum = ToFloat(head.minimum);
    for (int i = 0; i < 4; ++i) {
      const int low = head.scales[i];
      const int high = head.scales[i + 4];
      const int both = head.scales[i + 8];
      result.scales[i] = static_cast<int16_t>(low & 63);
      result.minimums[i] = static_cast<int16_t>(high & 63);
      result.scales[i + 4] = static_cast<int16_t>((both & 15) | (low >> 6 << 4));
      result.minimums[i + 4] = static_cast<int16_t>((both >> 4) | (high >> 6 << 4));
    }
    return result;
  }

  static FourRowScales UnpackFour(const std::byte* const* blocks) {
    // Of each row four words of 32 bits: scale and minimum, then the twelve bytes.
    const __m512i head = LoadFour128(blocks, 0);
    const __m512i six = _mm512_and_si512(head, _mm512_set1_epi32(0x3f3f3f3f));
    const __m512i upper = _mm512_and_si512(_mm512_srli_epi32(head, 2), _mm512_set1_epi32(0x30303030));
    const __m512i last = _mm512_shuffle_epi32(head, static_cast<_MM_PERM_ENUM>(0xff));
    // The low nibbles of the last word belong to the scales, the high ones to the minimums.
    const __m512i nibbles =
        _mm512_and_si512(_mm512_mask_srli_epi32(last, 0x4444, last, 4), _mm512_set1_epi32(0x0f0f0f0f));
    const __m512i second_half = _mm512_or_si512(nibbles, upper);
    const __m512i zero = _mm512_setzero_si512();
    FourRowScales result;
    result.scales[0] = _mm512_unpackhi_epi8(_mm512_unpacklo_epi32(six, second_half), zero);
    result.scales[1] = zero;
    result.minimums = _mm512_unpacklo_epi8(_mm512_unpackhi_epi32(six, second_half), zero);
    const __m256 both = _mm256_cvtph_ps(EveryFourth(head));
    const __m128 rows_01 = _mm256_castps256_ps128(both);
    const __m128 rows_23 = _mm256_extractf128_ps(both, 1);
    result.scale = _mm_shuffle_ps(rows_01, rows_23, 0x88);
    result.minimum = _mm_shuffle_ps(rows_01, rows_23, 0xdd);
    return result;
  }
};

// 32 bytes of nibbles as 64 codes: the low nibbles first.
inline __m512i NibbleCodes(const std::byte* at) {
  const __m512i twice = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  const __m512i shifted = _mm512_mask_srli_epi16(twice, 0xffff0000U, twice, 4);
  return _mm512_and_si512(shifted, _mm512_set1_epi8(15));
}

struct Q4KBlocks : SixBitScales {
  static constexpr WeightType kType = WeightType::kQ4K;
  static constexpr uint32_t kSubColumns = 32;
  static constexpr bool kHasMinimum = true;
  static constexpr int32_t kOffset = 0;
  // Columns 64 v ... of the block, a byte each.
  static __m512i Codes(const std::byte* block, uint32_t v) {
    return NibbleCodes(block + offsetof(BlockQ4K, codes) + size_t{v} * 32);
  }
};

struct Q5KBlocks : SixBitScales {
  static constexpr WeightType kType = WeightType::kQ5K;
  static constexpr uint32_t kSubColumns = 32;
  static constexpr bool kHasMinimum = true;
  static constexpr int32_t kOffset = 0;
  static __m512i Codes(const std::byte* block, uint32_t v) {
    const __m512i low = NibbleCodes(block + offsetof(BlockQ5K, codes) + size_t{v} * 32);
    const auto* const high_bits = reinterpret_cast<const __m256i*>(block + offsetof(BlockQ5K, high_bits));
    const __m512i twice = _mm512_broadcast_i64x4(_mm256_loadu_si256(high_bits));
    // Bits 2 v and 2 v + 1 go to bit 4.
    const __m512i first = _mm512_srl_epi16(twice, _mm_cvtsi32_si128(static_cast<int>(2 * v)));
    const __m512i moved = _mm512_mask_srli_epi16(first, 0xffff0000U, first, 1);
    const __m512i bit = _mm512_and_si512(moved, _mm512_set1_epi8(1));
    return _mm512_or_si512(low, _mm512_slli_epi16(bit, 4));
  }
};

struct Q6KBlocks {
  static constexpr WeightType kType = WeightType::kQ6K;
  static constexpr uint32_t kSubColumns = 16;
  static constexpr bool kHasMinimum = false;
  static constexpr int32_t kOffset = 32;

  static __m512i Codes(const std::byte* block, uint32_t v) {
    const __m512i nibbles = _mm512_loadu_si512(block + offsetof(BlockQ6K, codes) + size_t{v / 2} * 64);
    const __m512i low =
        _mm512_and_si512(v % 2 == 0 ? nibbles : _mm512_srli_epi16(nibbles, 4), _mm512_set1_epi8(15));
    const auto* const pairs =
        reinterpret_cast<const __m256i*>(block + offsetof(BlockQ6K, high_bits) + size_t{v / 2} * 32);
    const __m512i twice = _mm512_broadcast_i64x4(_mm256_loadu_si256(pairs));
    // The first 32 columns have the pair of bits at 0 (odd v: 4), the others that at 2 (6); they go to bit 4.
    const __m512i first = v % 2 == 0 ? _mm512_slli_epi16(twice, 4) : twice;
    const __m512i moved = v % 2 == 0 ? _mm512_mask_slli_epi16(first, 0xffff0000U, twice, 2)
                                     : _mm512_mask_srli_epi16(first, 0xffff0000U, twice, 2);
    return _mm512_or_si512(low, _mm512_and_si512(moved, _mm512_set1_epi8(0x30)));
  }

  static BlockScales Unpack(const std::byte* block) {
    const auto whole = LoadBlock<BlockQ6K>(block);
    BlockScales result;
    result.scale = ToFloat(whole.scale);
    for (int i = 0; i < 16; ++i) result.scales[i] = whole.scales[i];
    return result;
  }

  static FourRowScales UnpackFour(const std::byte* const* blocks) {
    const auto words = [&](int row) {
      return _mm256_cvtepi8_epi16(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks[row] + offsetof(BlockQ6K, scales))));
    };
    const auto scale_bits = [&](int row) {
      uint16_t bits;
      std::memcpy(&bits, blocks[row] + offsetof(BlockQ6K, scale), sizeof(bits));
      return static_cast<short>(bits);
    };
    FourRowScales result;
    result.scales[0] = _mm512_inserti64x4(_mm512_castsi256_si512(words(0)), words(1), 1);
    result.scales[1] = _mm512_inserti64x4(_mm512_castsi256_si512(words(2)), words(3), 1);
    result.minimums = _mm512_setzero_si512();
    result.scale =
        _mm_cvtph_ps(_mm_setr_epi16(scale_bits(0), scale_bits(1), scale_bits(2), scale_bits(3), 0, 0, 0, 0));
    result.minimum = _mm_setzero_ps();
    return result;
  }
};

}  // namespace
}  // namespace mimo
