#pragma once
// How the products read the panels of each type. Include after simd_math.h and the Integers of an instruction
// set.
//
// Codes come without a sign:
//
//   element = scale * (code - kOffset) + minimum                                             blocks of 32
//   element = (scale * sub-block's scale) * (code - kOffset) - minimum * sub-block's minimum        of 256
//
// with codes of at most kCodeMax. A block falls into kGroups groups of kSteps steps. A step unpacks two words
// of every row, which are columns Column(group, step, 0) and Column(group, step, 1) and the three after each;
// the first words of a group belong to one sub-block, the second ones to one, too.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/number_formats.h"
#include "kernels/block_layouts.h"
#include "kernels/weight_panels.h"

namespace mimo {
namespace {

using Word16 = Integers::Word16;

// One block of a panel.
struct PanelBlock {
  const std::byte* lead = nullptr;
  const std::byte* lines = nullptr;
  const std::byte* Line(uint32_t index) const { return lines + size_t{index} * 64; }
};

// Two words of codes of each row.
struct TwoCodes {
  Word16 first;
  Word16 second;
};

inline Word16 EveryByte(int value) { return Integers::Set(value * 0x01010101); }

inline TwoCodes Nibbles(const std::byte* line) {
  const Word16 both = Integers::Load(line);
  return {Integers::And(both, EveryByte(15)), Integers::And(Integers::ShiftRight(both, 4), EveryByte(15))};
}

// Bit `from` of each byte, with those above it, moved to bit 4.
inline Word16 MoveToBit4(Word16 v, uint32_t from) {
  return from < 4 ? Integers::ShiftLeft(v, 4 - from) : Integers::ShiftRight(v, from - 4);
}

// ---- Blocks of 32 columns: one group, no sub-blocks.

struct Panel32 {
  static constexpr uint32_t kBlockColumns = 32;
  static constexpr uint32_t kSubColumns = 32;
  static constexpr int32_t kCodeMax = 15;
  static constexpr uint32_t kGroups = 1;
  static constexpr uint32_t kSteps = 4;
  static constexpr bool kHasSubScales = false;
  static constexpr bool kHasMinimum = false;
  static constexpr bool kIsWide = false;
  static constexpr uint32_t Column(uint32_t /*group*/, uint32_t step, uint32_t half) {
    return half * 16 + step * 4;
  }
  static Float16 Scale(const PanelBlock& block) { return Simd::FromFp16(block.lead); }
};

struct Q80Panel : Panel32 {
  static constexpr WeightType kType = WeightType::kQ80;
  static constexpr int32_t kCodeMax = 255;
  static constexpr int32_t kOffset = 128;
  static constexpr bool kIsWide = true;
  static constexpr uint32_t Column(uint32_t /*group*/, uint32_t step, uint32_t half) {
    return step * 8 + half * 4;
  }
  static TwoCodes Codes(const PanelBlock& block, uint32_t /*group*/, uint32_t step) {
    return {Integers::Load(block.Line(2 * step)), Integers::Load(block.Line(2 * step + 1))};
  }
};

struct Q40Panel : Panel32 {
  static constexpr WeightType kType = WeightType::kQ40;
  static constexpr int32_t kOffset = 8;
  static TwoCodes Codes(const PanelBlock& block, uint32_t /*group*/, uint32_t step) {
    return Nibbles(block.Line(step));
  }
};

// The first line has sixteen scales, then sixteen minimums.
struct Q41Panel : Panel32 {
  static constexpr WeightType kType = WeightType::kQ41;
  static constexpr int32_t kOffset = 0;
  static constexpr bool kHasMinimum = true;
  static Float16 Scale(const PanelBlock& block) { return Simd::FromFp16(block.lines); }
  static Float16 Minimum(const PanelBlock& block) { return Simd::FromFp16(block.lines + 32); }
  static TwoCodes Codes(const PanelBlock& block, uint32_t /*group*/, uint32_t step) {
    return Nibbles(block.Line(1 + step));
  }
};

// Bit `step` of the bytes of `line` is the fifth bit of the first four columns, bit 4 + step that of the
// second ones.
inline TwoCodes FiveBits(const std::byte* nibbles, const std::byte* line, uint32_t step) {
  const TwoCodes low = Nibbles(nibbles);
  const Word16 bits = Integers::Load(line);
  return {Integers::Insert(MoveToBit4(bits, step), EveryByte(16), low.first),
          Integers::Insert(MoveToBit4(bits, 4 + step), EveryByte(16), low.second)};
}

struct Q50Panel : Panel32 {
  static constexpr WeightType kType = WeightType::kQ50;
  static constexpr int32_t kCodeMax = 31;
  static constexpr int32_t kOffset = 16;
  static TwoCodes Codes(const PanelBlock& block, uint32_t /*group*/, uint32_t step) {
    return FiveBits(block.Line(1 + step), block.Line(0), step);
  }
};

struct Q51Panel : Q41Panel {
  static constexpr WeightType kType = WeightType::kQ51;
  static constexpr int32_t kCodeMax = 31;
  static TwoCodes Codes(const PanelBlock& block, uint32_t /*group*/, uint32_t step) {
    return FiveBits(block.Line(2 + step), block.Line(1), step);
  }
};

// Sixteen bytes that a nibble selects from: values + kOffset.
template <size_t kSize>
constexpr std::array<uint8_t, 16> OffsetTable(const int8_t (&values)[kSize], int offset) {
  static_assert(kSize == 16);
  std::array<uint8_t, 16> table = {};
  for (size_t i = 0; i < 16; ++i) table[i] = static_cast<uint8_t>(values[i] + offset);
  return table;
}

inline TwoCodes LookUpNibbles(const std::byte* line, const std::array<uint8_t, 16>& values) {
  const Word16 table = Integers::Table(values.data());
  const TwoCodes nibbles = Nibbles(line);
  return {Integers::LookUp(table, nibbles.first), Integers::LookUp(table, nibbles.second)};
}

constexpr std::array<uint8_t, 16> kOffsetIq4Values = OffsetTable(kIq4Values, 128);

struct Iq4NlPanel : Panel32 {
  static constexpr WeightType kType = WeightType::kIq4Nl;
  static constexpr int32_t kCodeMax = 255;
  static constexpr int32_t kOffset = 128;
  static constexpr bool kIsWide = true;
  static TwoCodes Codes(const PanelBlock& block, uint32_t /*group*/, uint32_t step) {
    return LookUpNibbles(block.Line(step), kOffsetIq4Values);
  }
};

// E2M1 values are doubled to be whole numbers; the scale is halved for it.
constexpr int8_t kDoubledE2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
constexpr std::array<uint8_t, 16> kOffsetE2M1 = OffsetTable(kDoubledE2M1, 12);

template <WeightType kWeightType>
struct MxFp4Panel : Panel32 {
  static constexpr WeightType kType = kWeightType;
  static constexpr int32_t kCodeMax = 24;
  static constexpr int32_t kOffset = 12;
  static TwoCodes Codes(const PanelBlock& block, uint32_t /*group*/, uint32_t step) {
    return LookUpNibbles(block.Line(step), kOffsetE2M1);
  }
  // 2^(e - 127) / 2, NaN for e = 255.
  static Float16 Scale(const PanelBlock& block) {
    const Word16 exponents = Integers::FromUint8(block.lead);
    // 2^-127 has no exponent bits: it is the subnormal number whose upper fraction bit is set. So is a NaN's.
    const Word16 is_nan = Integers::ShiftRight(Integers::Add(exponents, Integers::Set(1)), 8);
    const Word16 is_zero = Integers::ShiftRight(Integers::Subtract(Integers::Set(256), exponents), 8);
    const Word16 fraction = Integers::ShiftLeft(Integers::Or(is_nan, is_zero), 22);
    const Word16 bits = Integers::Or(Integers::ShiftLeft(exponents, 23), fraction);
    return Simd::Multiply(Integers::AsFloat(bits), Simd::Broadcast(0.5F));
  }
};

// ---- Blocks of 256 columns.

struct Panel256 {
  static constexpr uint32_t kBlockColumns = 256;
  static constexpr bool kHasSubScales = true;
  static constexpr bool kIsWide = false;
  // Byte `index` of each word.
  static Word16 Byte(Word16 words, uint32_t index) {
    return Integers::And(Integers::ShiftRight(words, 8 * index), Integers::Set(255));
  }
  static Word16 SignedByte(Word16 words, uint32_t index) {
    return Integers::ShiftRightSigned(Integers::ShiftLeft(words, 24 - 8 * index), 24);
  }
};

// The bytes of small numbers whose middle ones are exchanged.
constexpr uint32_t kSwappedByte[4] = {0, 2, 1, 3};

// q4_k and q5_k: 6-bit scales and minimums. Lines 1 to 3 are the twelve bytes that block_layouts.h draws.
struct SixBitPanel : Panel256 {
  static constexpr uint32_t kSubColumns = 32;
  static constexpr uint32_t kGroups = 4;
  static constexpr uint32_t kSteps = 8;
  static constexpr bool kHasMinimum = true;
  static constexpr int32_t kOffset = 0;
  static constexpr uint32_t Column(uint32_t group, uint32_t step, uint32_t half) {
    return group * 64 + half * 32 + step * 4;
  }
  static Float16 Scale(const PanelBlock& block) { return Simd::FromFp16(block.lines); }
  static Float16 Minimum(const PanelBlock& block) { return Simd::FromFp16(block.lines + 32); }

  static void SubScales(const PanelBlock& block, Word16 (&scales)[8]) {
    const Word16 low = Integers::Load(block.Line(1));
    const Word16 both = Integers::Load(block.Line(3));
    const Word16 first = Integers::And(low, EveryByte(63));
    const Word16 last =
        Integers::Insert(Integers::ShiftRight(low, 2), EveryByte(0x30), Integers::And(both, EveryByte(15)));
    for (uint32_t i = 0; i < 4; ++i) {
      scales[i] = Byte(first, kSwappedByte[i]);
      scales[4 + i] = Byte(last, kSwappedByte[i]);
    }
  }
  // Pairs of 16 bits: of sub-blocks 0 and 1, 2 and 3, ...
  static void MinimumPairs(const PanelBlock& block, Word16 (&pairs)[4]) {
    const Word16 high = Integers::Load(block.Line(2));
    const Word16 both = Integers::ShiftRight(Integers::Load(block.Line(3)), 4);
    const Word16 first = Integers::And(high, EveryByte(63));
    const Word16 last =
        Integers::Insert(Integers::ShiftRight(high, 2), EveryByte(0x30), Integers::And(both, EveryByte(15)));
    const Word16 low_bytes = Integers::Set(0x00ff00ff);
    pairs[0] = Integers::And(first, low_bytes);
    pairs[1] = Integers::And(Integers::ShiftRight(first, 8), low_bytes);
    pairs[2] = Integers::And(last, low_bytes);
    pairs[3] = Integers::And(Integers::ShiftRight(last, 8), low_bytes);
  }
};

struct Q4KPanel : SixBitPanel {
  static constexpr WeightType kType = WeightType::kQ4K;
  static constexpr int32_t kCodeMax = 15;
  static TwoCodes Codes(const PanelBlock& block, uint32_t group, uint32_t step) {
    return Nibbles(block.Line(4 + group * 8 + step));
  }
};

// From line 4 on in turn a line of fifth bits and a line of codes for the first group, then the codes of the
// others. Bit i of the bytes of a line of fifth bits belongs to sub-block i.
struct Q5KPanel : SixBitPanel {
  static constexpr WeightType kType = WeightType::kQ5K;
  static constexpr int32_t kCodeMax = 31;
  static TwoCodes Codes(const PanelBlock& block, uint32_t group, uint32_t step) {
    const TwoCodes low = Nibbles(block.Line(group == 0 ? 5 + 2 * step : 12 + group * 8 + step));
    const Word16 bits = Integers::Load(block.Line(4 + 2 * step));
    return {Integers::Insert(MoveToBit4(bits, 2 * group), EveryByte(16), low.first),
            Integers::Insert(MoveToBit4(bits, 2 * group + 1), EveryByte(16), low.second)};
  }
};

// Each half of the block has its nibbles in sixteen lines, the low ones its first 64 columns, and its upper
// bits in eight: pair i of a byte belongs to the i-th 32 columns.
struct Q6KPanel : Panel256 {
  static constexpr WeightType kType = WeightType::kQ6K;
  static constexpr int32_t kCodeMax = 63;
  static constexpr uint32_t kSubColumns = 16;
  static constexpr uint32_t kGroups = 8;
  static constexpr uint32_t kSteps = 4;
  static constexpr bool kHasMinimum = false;
  static constexpr int32_t kOffset = 32;
  static constexpr uint32_t Column(uint32_t group, uint32_t step, uint32_t half) {
    return group / 4 * 128 + half * 64 + group % 4 * 16 + step * 4;
  }
  static Float16 Scale(const PanelBlock& block) { return Simd::FromFp16(block.lead); }
  static TwoCodes Codes(const PanelBlock& block, uint32_t group, uint32_t step) {
    const uint32_t half = 4 + group / 4 * 24;
    const uint32_t line = group % 4 * 4 + step;  // of the sixteen
    const TwoCodes low = Nibbles(block.Line(half + (line < 8 ? 2 * line + 1 : 8 + line)));
    const Word16 pairs = Integers::Load(block.Line(half + line % 8 * 2));
    const uint32_t from = group % 4 / 2 * 2;
    return {Integers::Insert(MoveToBit4(pairs, from), EveryByte(0x30), low.first),
            Integers::Insert(MoveToBit4(pairs, from + 4), EveryByte(0x30), low.second)};
  }
  static void SubScales(const PanelBlock& block, Word16 (&scales)[16]) {
    for (uint32_t i = 0; i < 16; ++i) scales[i] = SignedByte(Integers::Load(block.Line(i / 4)), i % 4);
  }
};

// q2_k and q3_k: each half of the block has its codes in eight lines, pair i of a byte belongs to the i-th 32
// columns.
struct TwoBitPanel : Panel256 {
  static constexpr uint32_t kSubColumns = 16;
  static constexpr uint32_t kGroups = 8;  // half of the block, first or last two pairs, 16 columns of 32
  static constexpr uint32_t kSteps = 4;
  static constexpr uint32_t Column(uint32_t group, uint32_t step, uint32_t half) {
    return group / 4 * 128 + group % 4 / 2 * 64 + half * 32 + group % 2 * 16 + step * 4;
  }
  // Of the eight lines of a half of the block, the one that a step reads.
  static constexpr uint32_t LineOfHalf(uint32_t group, uint32_t step) { return group % 2 * 4 + step; }
  static TwoCodes TwoBits(const std::byte* line, uint32_t group) {
    const Word16 pairs = Integers::Load(line);
    const uint32_t from = group % 4 / 2 * 4;
    return {Integers::And(Integers::ShiftRight(pairs, from), EveryByte(3)),
            Integers::And(Integers::ShiftRight(pairs, from + 2), EveryByte(3))};
  }
};

// Lines 1 to 4: a byte for each sub-block, its scale in the low nibble, its minimum in the high one.
struct Q2KPanel : TwoBitPanel {
  static constexpr WeightType kType = WeightType::kQ2K;
  static constexpr int32_t kCodeMax = 3;
  static constexpr bool kHasMinimum = true;
  static constexpr int32_t kOffset = 0;
  static Float16 Scale(const PanelBlock& block) { return Simd::FromFp16(block.lines); }
  static Float16 Minimum(const PanelBlock& block) { return Simd::FromFp16(block.lines + 32); }
  static TwoCodes Codes(const PanelBlock& block, uint32_t group, uint32_t step) {
    return TwoBits(block.Line(5 + group / 4 * 8 + LineOfHalf(group, step)), group);
  }
  static void SubScales(const PanelBlock& block, Word16 (&scales)[16]) {
    for (uint32_t i = 0; i < 16; ++i) {
      const Word16 low = Integers::And(Integers::Load(block.Line(1 + i / 4)), EveryByte(15));
      scales[i] = Byte(low, kSwappedByte[i % 4]);
    }
  }
  static void MinimumPairs(const PanelBlock& block, Word16 (&pairs)[8]) {
    const Word16 nibble = Integers::Set(0x000f000f);
    for (uint32_t i = 0; i < 4; ++i) {
      const Word16 words = Integers::Load(block.Line(1 + i));
      pairs[2 * i] = Integers::And(Integers::ShiftRight(words, 4), nibble);
      pairs[2 * i + 1] = Integers::And(Integers::ShiftRight(words, 12), nibble);
    }
  }
};

// Lines 0 to 2: the twelve bytes of 6-bit scales. Lines 3 to 10: bit i of a byte is the third bit of the i-th
// 32 columns.
struct Q3KPanel : TwoBitPanel {
  static constexpr WeightType kType = WeightType::kQ3K;
  static constexpr int32_t kCodeMax = 7;
  static constexpr bool kHasMinimum = false;
  static constexpr int32_t kOffset = 4;
  static Float16 Scale(const PanelBlock& block) { return Simd::FromFp16(block.lead); }
  static TwoCodes Codes(const PanelBlock& block, uint32_t group, uint32_t step) {
    const uint32_t line = LineOfHalf(group, step);
    const TwoCodes low = TwoBits(block.Line(group < 4 ? 4 + 2 * line : 19 + line), group);
    const Word16 bits = Integers::Load(block.Line(3 + 2 * line));
    const uint32_t first = group / 4 * 4 + group % 4 / 2 * 2;  // of the eight 32 columns
    return {Integers::Insert(MoveToBit2(bits, first), EveryByte(4), low.first),
            Integers::Insert(MoveToBit2(bits, first + 1), EveryByte(4), low.second)};
  }
  static void SubScales(const PanelBlock& block, Word16 (&scales)[16]) {
    const Word16 upper = Integers::Load(block.Line(2));
    for (uint32_t four = 0; four < 4; ++four) {
      const Word16 low = Integers::ShiftRight(Integers::Load(block.Line(four % 2)), four / 2 * 4);
      const Word16 six =
          Integers::Insert(MoveToBit4(upper, 2 * four), EveryByte(0x30), Integers::And(low, EveryByte(15)));
      for (uint32_t i = 0; i < 4; ++i) {
        scales[four * 4 + i] = Integers::Add(Byte(six, i), Integers::Set(-32));
      }
    }
  }

 private:
  static Word16 MoveToBit2(Word16 v, uint32_t from) {
    return from < 2 ? Integers::ShiftLeft(v, 2 - from) : Integers::ShiftRight(v, from - 2);
  }
};

// Line 0: sixteen scales, then the upper bits of the sub-blocks' scales; line 1: their low nibbles.
struct Iq4XsPanel : Panel256 {
  static constexpr WeightType kType = WeightType::kIq4Xs;
  static constexpr int32_t kCodeMax = 255;
  static constexpr uint32_t kSubColumns = 32;
  static constexpr uint32_t kGroups = 8;
  static constexpr uint32_t kSteps = 4;
  static constexpr bool kHasMinimum = false;
  static constexpr bool kIsWide = true;
  static constexpr int32_t kOffset = 128;
  static constexpr uint32_t Column(uint32_t group, uint32_t step, uint32_t half) {
    return group * 32 + half * 16 + step * 4;
  }
  static Float16 Scale(const PanelBlock& block) { return Simd::FromFp16(block.lines); }
  static TwoCodes Codes(const PanelBlock& block, uint32_t group, uint32_t step) {
    return LookUpNibbles(block.Line(2 + group * 4 + step), kOffsetIq4Values);
  }
  static void SubScales(const PanelBlock& block, Word16 (&scales)[8]) {
    const Word16 low = Integers::Load(block.Line(1));
    const Word16 high = Integers::FromUint16(block.lines + 32);
    for (uint32_t i = 0; i < 8; ++i) {
      const Word16 upper = Integers::And(Integers::ShiftRight(high, 2 * i), Integers::Set(3));
      const Word16 six = Integers::Or(Integers::ShiftLeft(upper, 4),
                                      Integers::And(Integers::ShiftRight(low, 4 * i), Integers::Set(15)));
      scales[i] = Integers::Add(six, Integers::Set(-32));
    }
  }
};

}  // namespace
}  // namespace mimo
