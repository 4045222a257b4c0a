#pragma once
// The blocks of ggml's tensor types, byte for byte as GGUF files hold them; little-endian. The decoders
// (dequantize.h) and the encoders read and write these structs, so a field stands in one place.
//
// Below, c is a column of the block, counted from 0, and bits(x, at, n) are the n bits of x from bit `at` on.
// Blocks follow each other without padding and at any alignment: copy one with LoadBlock, never cast.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/number_formats.h"
#include "kernels/matrix_view.h"

namespace mimo {

// ---- 32 columns with one scale, or a scale and a minimum.
//
// 4-bit codes stand in 16 bytes: column c in the low nibble of byte c, column c + 16 in the high one. The
// fifth bit of column c is bit c of the four bytes `high_bits` taken as one little-endian word.

struct BlockQ80 {  // scale * code
  Fp16 scale;
  int8_t codes[32];
};

struct BlockQ40 {  // scale * (code - 8)
  Fp16 scale;
  uint8_t codes[16];
};

struct BlockQ41 {  // scale * code + minimum
  Fp16 scale;
  Fp16 minimum;
  uint8_t codes[16];
};

struct BlockQ50 {  // scale * (code - 16)
  Fp16 scale;
  uint8_t high_bits[4];
  uint8_t codes[16];
};

struct BlockQ51 {  // scale * code + minimum
  Fp16 scale;
  Fp16 minimum;
  uint8_t high_bits[4];
  uint8_t codes[16];
};

// ---- k-quants: 256 columns in sub-blocks whose scales are themselves quantised.

// 16 columns a sub-block. (scale * bits(scales[c / 16], 0, 4)) * code - (minimum * bits(scales[c / 16], 4,
// 4)). code = bits(codes[c / 128 * 32 + c % 32], c % 128 / 32 * 2, 2).
struct BlockQ2K {
  uint8_t scales[16];
  uint8_t codes[64];
  Fp16 scale;
  Fp16 minimum;
};

// 16 columns a sub-block. (scale * (s - 32)) * (code - 4) with the 6-bit s of the sub-block and the 3-bit
// code. Low two bits of the code as in q2_k; its third bit is bits(high_bits[c % 32], c / 32, 1). s of
// sub-block i: low four bits = bits(scales[i % 8], i / 8 * 4, 4), upper two = bits(scales[8 + i % 4], i / 4 *
// 2, 2).
struct BlockQ3K {
  uint8_t high_bits[32];
  uint8_t codes[64];
  uint8_t scales[12];
  Fp16 scale;
};

// 32 columns a sub-block. (scale * s) * code - (minimum * m) with the 6-bit s and m of the sub-block.
// code = bits(codes[c / 64 * 32 + c % 32], c % 64 / 32 * 4, 4).
// For i < 4: s = bits(scales[i], 0, 6), m = bits(scales[i + 4], 0, 6). For i >= 4 the low four bits of s and
// m are bits(scales[i + 4], 0, 4) and bits(scales[i + 4], 4, 4), and the upper two stand above the values of
// sub-block i - 4: bits(scales[i - 4], 6, 2) and bits(scales[i], 6, 2).
struct BlockQ4K {
  Fp16 scale;
  Fp16 minimum;
  uint8_t scales[12];
  uint8_t codes[128];
};

// As q4_k, and the fifth bit of the code is bits(high_bits[c % 32], c / 32, 1).
struct BlockQ5K {
  Fp16 scale;
  Fp16 minimum;
  uint8_t scales[12];
  uint8_t high_bits[32];
  uint8_t codes[128];
};

// 16 columns a sub-block. (scale * scales[c / 16]) * (code - 32).
// Low four bits of the code = bits(codes[c / 128 * 64 + c % 64], c % 128 / 64 * 4, 4), upper two =
// bits(high_bits[c / 128 * 32 + c % 32], c % 128 / 32 * 2, 2).
struct BlockQ6K {
  uint8_t codes[128];
  uint8_t high_bits[64];
  int8_t scales[16];
  Fp16 scale;
};

// ---- Codes that index a table of unevenly spaced values.

// scale * kIq4Values[code], nibbles as in q4_0.
struct BlockIq4Nl {
  Fp16 scale;
  uint8_t codes[16];
};

// 256 columns, 32 a sub-block. (scale * (s - 32)) * kIq4Values[code] with the 6-bit s of sub-block i = c /
// 32: low four bits = bits(scales_low[i / 2], i % 2 * 4, 4), upper two = bits(scales_high, i * 2, 2). The
// nibbles of each sub-block stand in 16 bytes as in q4_0.
struct BlockIq4Xs {
  Fp16 scale;
  uint16_t scales_high;
  uint8_t scales_low[4];
  uint8_t codes[128];
};

constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// 32 columns. E8M0(scale) * E2M1(code), nibbles as in q4_0: unlike in the released MXFP4 checkpoints, whose
// neighbouring columns share a byte.
struct BlockMxFp4 {
  uint8_t scale;
  uint8_t codes[16];
};

// 64 columns, 16 a sub-block. UE4M3(scales[c / 16]) * E2M1(code). The nibbles of a sub-block stand in 8
// bytes: column c of it in the low nibble of byte c, column c + 8 in the high one. UE4M3 is E4M3 whose sign
// bit is ignored and whose NaN code means 0.
struct BlockNvFp4 {
  uint8_t scales[4];
  uint8_t codes[32];
};

// ---- i-quants: 256 columns in groups of 8 (iq3: 4), each an entry of a codebook (codebooks.h) with a sign
// per column. A "7-bit sign set" holds the signs of the first 7 columns of 8; the eighth makes the number of
// negative ones even.

// For each 32 columns 8 bytes: four codebook entries of 8 bits; then a 32-bit word of four 7-bit sign sets
// from bit 0 on and in its upper four bits s. scale * (0.5 + s) * 0.25 * entry.
struct BlockIq2Xxs {
  Fp16 scale;
  struct {
    uint8_t entries[4];
    uint8_t signs_and_scale[4];
  } groups[8];
};

// groups[c / 8]: 9 bits of entry, then a 7-bit sign set. s = bits(scales[c / 32], c % 32 / 16 * 4, 4).
// scale * (0.5 + s) * 0.25 * entry.
struct BlockIq2Xs {
  Fp16 scale;
  uint16_t groups[32];
  uint8_t scales[8];
};

// Entry of group g = c / 8: entries[g], above it bits(entries_high[g / 4], g % 4 * 2, 2). The sign of column
// c is bits(signs[g], c % 8, 1). Scales as in iq2_xs.
struct BlockIq2S {
  Fp16 scale;
  uint8_t entries[32];
  uint8_t signs[32];
  uint8_t entries_high[8];
  uint8_t scales[8];
};

// 4 columns an entry. signs_and_scale[c / 32] is a word as in iq2_xxs. scale * (0.5 + s) * 0.5 * entry.
struct BlockIq3Xxs {
  Fp16 scale;
  uint8_t entries[64];
  uint8_t signs_and_scale[8][4];
};

// Entry of group g = c / 4: entries[g], above it bits(entries_high[g / 8], g % 8, 1). Signs as in iq2_s.
// s = bits(scales[c / 64], c % 64 / 32 * 4, 4). scale * (1 + 2 * s) * entry.
struct BlockIq3S {
  Fp16 scale;
  uint8_t entries[64];
  uint8_t entries_high[8];
  uint8_t signs[32];
  uint8_t scales[4];
};

// The one-bit types have entries of -1, 0 and 1, to which a shift of +0.125 or -0.125 is added.

// h = groups[c / 32]; entry of group g = c / 8: entries[g], above it bits(h, g % 4 * 3, 3).
// scale * (2 * bits(h, 12, 3) + 1) * (entry + shift), the shift negative when bit 15 of h is set.
struct BlockIq1S {
  Fp16 scale;
  uint8_t entries[32];
  uint16_t groups[8];
};

// Nibble n of group g = c / 8: bits(groups[g / 2], g % 2 * 4, 4). Entry: entries[g], above it bits(n, 0, 3);
// the shift is negative when bit 3 of n is set. The scale of the block, a float16, is spread over the upper
// four bits of the four words `scales`, lowest bits first; s of sub-block i = c / 16 is bits(scales[i / 4], i
// % 4 * 3, 3). scale * (2 * s + 1) * (entry + shift).
struct BlockIq1M {
  uint8_t entries[32];
  uint8_t groups[16];
  uint16_t scales[4];
};

static_assert(sizeof(BlockQ80) == GeometryOf(WeightType::kQ80).bytes);
static_assert(sizeof(BlockQ40) == GeometryOf(WeightType::kQ40).bytes);
static_assert(sizeof(BlockQ41) == GeometryOf(WeightType::kQ41).bytes);
static_assert(sizeof(BlockQ50) == GeometryOf(WeightType::kQ50).bytes);
static_assert(sizeof(BlockQ51) == GeometryOf(WeightType::kQ51).bytes);
static_assert(sizeof(BlockQ2K) == GeometryOf(WeightType::kQ2K).bytes);
static_assert(sizeof(BlockQ3K) == GeometryOf(WeightType::kQ3K).bytes);
static_assert(sizeof(BlockQ4K) == GeometryOf(WeightType::kQ4K).bytes);
static_assert(sizeof(BlockQ5K) == GeometryOf(WeightType::kQ5K).bytes);
static_assert(sizeof(BlockQ6K) == GeometryOf(WeightType::kQ6K).bytes);
static_assert(sizeof(BlockIq4Nl) == GeometryOf(WeightType::kIq4Nl).bytes);
static_assert(sizeof(BlockIq4Xs) == GeometryOf(WeightType::kIq4Xs).bytes);
static_assert(sizeof(BlockIq3S) == GeometryOf(WeightType::kIq3S).bytes);
static_assert(sizeof(BlockIq3Xxs) == GeometryOf(WeightType::kIq3Xxs).bytes);
static_assert(sizeof(BlockIq2S) == GeometryOf(WeightType::kIq2S).bytes);
static_assert(sizeof(BlockIq2Xs) == GeometryOf(WeightType::kIq2Xs).bytes);
static_assert(sizeof(BlockIq2Xxs) == GeometryOf(WeightType::kIq2Xxs).bytes);
static_assert(sizeof(BlockIq1S) == GeometryOf(WeightType::kIq1S).bytes);
static_assert(sizeof(BlockIq1M) == GeometryOf(WeightType::kIq1M).bytes);
static_assert(sizeof(BlockMxFp4) == GeometryOf(WeightType::kMxFp4Block).bytes);
static_assert(sizeof(BlockNvFp4) == GeometryOf(WeightType::kNvFp4).bytes);

template <typename Block>
Block LoadBlock(const std::byte* at) {
  static_assert(std::is_trivially_copyable_v<Block>);
  Block block;
  std::memcpy(&block, at, sizeof(Block));
  return block;
}

}  // namespace mimo
