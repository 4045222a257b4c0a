// The types whose blocks index a codebook of whole groups of columns.

#include <bit>

#include "base/number_formats.h"
#include "kernels/codebooks.h"
#include "kernels/dequantize.h"

namespace mimo {
namespace {

// `count` bits of `word` from bit `at` on.
uint32_t Bits(uint32_t word, uint32_t at, uint32_t count) { return word >> at & ((1U << count) - 1); }

uint32_t LoadWord(const uint8_t (&bytes)[4]) {
  uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Eight sign bits from a set of seven: an even number of columns is negative.
uint32_t WithEighthSign(uint32_t signs) {
  return signs | (static_cast<uint32_t>(std::popcount(signs)) & 1U) << 7U;
}

// Writes scale * value, negated where a sign bit is set, for the 8 values of a 2-bit codebook's entry.
void WriteGroup(float scale, uint32_t entry, uint32_t signs, float* out) {
  for (uint32_t j = 0; j < 8; ++j) {
    const float value = scale * static_cast<float>(kIq2Values[Bits(entry, j * 2, 2)]);
    out[j] = Bits(signs, j, 1) != 0 ? -value : value;
  }
}

// The same for the 4 values of a 3-bit codebook's entry, signs from bit 0 on.
void WriteHalfGroup(float scale, uint32_t entry, const std::array<int8_t, 8>& values, uint32_t signs,
                    float* out) {
  for (uint32_t j = 0; j < 4; ++j) {
    const float value = scale * static_cast<float>(values[Bits(entry, j * 3, 3)]);
    out[j] = Bits(signs, j, 1) != 0 ? -value : value;
  }
}

// Of the 8 values of a one-bit type's entry.
void WriteShiftedGroup(float scale, uint32_t entry, bool shift_is_negative, float* out) {
  const float shift = shift_is_negative ? -0.125F : 0.125F;
  for (uint32_t j = 0; j < 8; ++j) {
    out[j] = scale * (static_cast<float>(kIq1Values[Bits(entry, j * 2, 2)]) + shift);
  }
}

float HalfStepScale(Fp16 scale, uint32_t steps, float unit) {
  return ToFloat(scale) * (0.5F + static_cast<float>(steps)) * unit;
}

float OddScale(Fp16 scale, uint32_t steps) { return ToFloat(scale) * static_cast<float>(2 * steps + 1); }

}  // namespace

void Decode(const BlockIq2Xxs& block, float* out) {
  for (uint32_t g = 0; g < 32; ++g) {
    const auto& group = block.groups[g / 4];
    const uint32_t word = LoadWord(group.signs_and_scale);
    const float scale = HalfStepScale(block.scale, Bits(word, 28, 4), 0.25F);
    WriteGroup(scale, kIq2XxsCodebook[group.entries[g % 4]], WithEighthSign(Bits(word, g % 4 * 7, 7)),
               out + g * 8);
  }
}

void Decode(const BlockIq2Xs& block, float* out) {
  for (uint32_t g = 0; g < 32; ++g) {
    const float scale = HalfStepScale(block.scale, Bits(block.scales[g / 4], g % 4 / 2 * 4, 4), 0.25F);
    WriteGroup(scale, kIq2XsCodebook[Bits(block.groups[g], 0, 9)],
               WithEighthSign(Bits(block.groups[g], 9, 7)), out + g * 8);
  }
}

void Decode(const BlockIq2S& block, float* out) {
  for (uint32_t g = 0; g < 32; ++g) {
    const float scale = HalfStepScale(block.scale, Bits(block.scales[g / 4], g % 4 / 2 * 4, 4), 0.25F);
    const uint32_t entry = block.entries[g] | Bits(block.entries_high[g / 4], g % 4 * 2, 2) << 8U;
    WriteGroup(scale, kIq2SCodebook[entry], block.signs[g], out + g * 8);
  }
}

void Decode(const BlockIq3Xxs& block, float* out) {
  for (uint32_t g = 0; g < 64; ++g) {
    const uint32_t word = LoadWord(block.signs_and_scale[g / 8]);
    const float scale = HalfStepScale(block.scale, Bits(word, 28, 4), 0.5F);
    const uint32_t signs = WithEighthSign(Bits(word, g % 8 / 2 * 7, 7)) >> (g % 2 * 4);
    WriteHalfGroup(scale, kIq3XxsCodebook[block.entries[g]], kIq3XxsValues, signs, out + g * 4);
  }
}

void Decode(const BlockIq3S& block, float* out) {
  for (uint32_t g = 0; g < 64; ++g) {
    const float scale = OddScale(block.scale, Bits(block.scales[g / 16], g % 16 / 8 * 4, 4));
    const uint32_t entry = block.entries[g] | Bits(block.entries_high[g / 8], g % 8, 1) << 8U;
    const uint32_t signs = static_cast<uint32_t>(block.signs[g / 2]) >> (g % 2 * 4);
    WriteHalfGroup(scale, kIq3SCodebook[entry], kIq3SValues, signs, out + g * 4);
  }
}

void Decode(const BlockIq1S& block, float* out) {
  for (uint32_t g = 0; g < 32; ++g) {
    const uint32_t group = block.groups[g / 4];
    const uint32_t entry = block.entries[g] | Bits(group, g % 4 * 3, 3) << 8U;
    WriteShiftedGroup(OddScale(block.scale, Bits(group, 12, 3)), kIq1Codebook[entry], Bits(group, 15, 1) != 0,
                      out + g * 8);
  }
}

void Decode(const BlockIq1M& block, float* out) {
  uint32_t scale_bits = 0;
  for (uint32_t i = 0; i < 4; ++i) scale_bits |= Bits(block.scales[i], 12, 4) << (i * 4);
  const Fp16 scale = {static_cast<uint16_t>(scale_bits)};
  for (uint32_t g = 0; g < 32; ++g) {
    const uint32_t nibble = Bits(block.groups[g / 2], g % 2 * 4, 4);
    const uint32_t entry = block.entries[g] | Bits(nibble, 0, 3) << 8U;
    const uint32_t steps = Bits(block.scales[g / 8], g % 8 / 2 * 3, 3);
    WriteShiftedGroup(OddScale(scale, steps), kIq1Codebook[entry], Bits(nibble, 3, 1) != 0, out + g * 8);
  }
}

}  // namespace mimo
