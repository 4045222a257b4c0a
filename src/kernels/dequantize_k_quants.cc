// The types of 256 columns in sub-blocks whose scales are quantised in turn. Products are rounded in the
// order that block_layouts.h writes down.

#include "base/number_formats.h"
#include "kernels/dequantize.h"

namespace mimo {
namespace {

// `count` bits of `byte` from bit `at` on.
uint32_t Bits(uint8_t byte, uint32_t at, uint32_t count) {
  return static_cast<uint32_t>(byte) >> at & ((1U << count) - 1);
}

// The code of column c in 2-bit fields: four runs of 32 columns share 32 bytes.
uint32_t TwoBits(const uint8_t (&codes)[64], uint32_t c) {
  return Bits(codes[c / 128 * 32 + c % 32], c % 128 / 32 * 2, 2);
}

// The code of column c in 4-bit fields: two runs of 32 columns share 32 bytes.
uint32_t FourBits(const uint8_t (&codes)[128], uint32_t c) {
  return Bits(codes[c / 64 * 32 + c % 32], c % 64 / 32 * 4, 4);
}

struct ScaleAndMinimum {
  float scale;
  float minimum;
};

// Of sub-block i of a q4_k or q5_k block, with the block's own scales multiplied in.
template <typename Block>
ScaleAndMinimum SubBlock(const Block& block, uint32_t i) {
  const uint8_t* const packed = block.scales;
  uint32_t scale = 0;
  uint32_t minimum = 0;
  if (i < 4) {
    scale = Bits(packed[i], 0, 6);
    minimum = Bits(packed[i + 4], 0, 6);
  } else {
    scale = Bits(packed[i + 4], 0, 4) | Bits(packed[i - 4], 6, 2) << 4U;
    minimum = Bits(packed[i + 4], 4, 4) | Bits(packed[i], 6, 2) << 4U;
  }
  return {ToFloat(block.scale) * static_cast<float>(scale),
          ToFloat(block.minimum) * static_cast<float>(minimum)};
}

}  // namespace

void Decode(const BlockQ2K& block, float* out) {
  for (uint32_t i = 0; i < 16; ++i) {
    const float scale = ToFloat(block.scale) * static_cast<float>(Bits(block.scales[i], 0, 4));
    const float minimum = ToFloat(block.minimum) * static_cast<float>(Bits(block.scales[i], 4, 4));
    for (uint32_t c = i * 16; c < (i + 1) * 16; ++c) {
      out[c] = scale * static_cast<float>(TwoBits(block.codes, c)) - minimum;
    }
  }
}

void Decode(const BlockQ3K& block, float* out) {
  for (uint32_t i = 0; i < 16; ++i) {
    const uint32_t packed_scale =
        Bits(block.scales[i % 8], i / 8 * 4, 4) | Bits(block.scales[8 + i % 4], i / 4 * 2, 2) << 4U;
    const float scale = ToFloat(block.scale) * (static_cast<float>(packed_scale) - 32.0F);
    for (uint32_t c = i * 16; c < (i + 1) * 16; ++c) {
      const uint32_t code = TwoBits(block.codes, c) | Bits(block.high_bits[c % 32], c / 32, 1) << 2U;
      out[c] = scale * (static_cast<float>(code) - 4.0F);
    }
  }
}

void Decode(const BlockQ4K& block, float* out) {
  for (uint32_t i = 0; i < 8; ++i) {
    const ScaleAndMinimum sub_block = SubBlock(block, i);
    for (uint32_t c = i * 32; c < (i + 1) * 32; ++c) {
      out[c] = sub_block.scale * static_cast<float>(FourBits(block.codes, c)) - sub_block.minimum;
    }
  }
}

void Decode(const BlockQ5K& block, float* out) {
  for (uint32_t i = 0; i < 8; ++i) {
    const ScaleAndMinimum sub_block = SubBlock(block, i);
    for (uint32_t c = i * 32; c < (i + 1) * 32; ++c) {
      const uint32_t code = FourBits(block.codes, c) | Bits(block.high_bits[c % 32], i, 1) << 4U;
      out[c] = sub_block.scale * static_cast<float>(code) - sub_block.minimum;
    }
  }
}

void Decode(const BlockQ6K& block, float* out) {
  for (uint32_t i = 0; i < 16; ++i) {
    const float scale = ToFloat(block.scale) * static_cast<float>(block.scales[i]);
    for (uint32_t c = i * 16; c < (i + 1) * 16; ++c) {
      const uint32_t low = Bits(block.codes[c / 128 * 64 + c % 64], c % 128 / 64 * 4, 4);
      const uint32_t code = low | TwoBits(block.high_bits, c) << 4U;
      out[c] = scale * (static_cast<float>(code) - 32.0F);
    }
  }
}

void Decode(const BlockIq4Xs& block, float* out) {
  for (uint32_t i = 0; i < 8; ++i) {
    const uint32_t high = static_cast<uint32_t>(block.scales_high) >> (i * 2) & 3U;
    const uint32_t packed_scale = Bits(block.scales_low[i / 2], i % 2 * 4, 4) | high << 4U;
    const float scale = ToFloat(block.scale) * (static_cast<float>(packed_scale) - 32.0F);
    for (uint32_t c = 0; c < 32; ++c) {
      const uint32_t code = Bits(block.codes[i * 16 + c % 16], c / 16 * 4, 4);
      out[i * 32 + c] = scale * static_cast<float>(kIq4Values[code]);
    }
  }
}

}  // namespace mimo
