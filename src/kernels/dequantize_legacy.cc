// The types of 32 columns with one scale, or a scale and a minimum.

#include "base/number_formats.h"
#include "kernels/dequantize.h"

namespace mimo {
namespace {

constexpr uint32_t kHalf = 16;

// The 4-bit code of column c.
uint32_t Nibble(const uint8_t (&codes)[kHalf], uint32_t c) {
  return c < kHalf ? codes[c] & 15U : static_cast<uint32_t>(codes[c - kHalf]) >> 4U;
}

// The 5-bit code of column c.
template <typename Block>
uint32_t FiveBits(const Block& block, uint32_t c) {
  const uint32_t high_bit = static_cast<uint32_t>(block.high_bits[c / 8]) >> (c % 8) & 1U;
  return Nibble(block.codes, c) | high_bit << 4U;
}

}  // namespace

void Decode(const BlockQ80& block, float* out) {
  const float scale = ToFloat(block.scale);
  for (uint32_t c = 0; c < 2 * kHalf; ++c) out[c] = scale * static_cast<float>(block.codes[c]);
}

void Decode(const BlockQ40& block, float* out) {
  const float scale = ToFloat(block.scale);
  for (uint32_t c = 0; c < 2 * kHalf; ++c) {
    out[c] = scale * (static_cast<float>(Nibble(block.codes, c)) - 8.0F);
  }
}

void Decode(const BlockQ41& block, float* out) {
  const float scale = ToFloat(block.scale);
  const float minimum = ToFloat(block.minimum);
  for (uint32_t c = 0; c < 2 * kHalf; ++c) {
    out[c] = scale * static_cast<float>(Nibble(block.codes, c)) + minimum;
  }
}

void Decode(const BlockQ50& block, float* out) {
  const float scale = ToFloat(block.scale);
  for (uint32_t c = 0; c < 2 * kHalf; ++c) {
    out[c] = scale * (static_cast<float>(FiveBits(block, c)) - 16.0F);
  }
}

void Decode(const BlockQ51& block, float* out) {
  const float scale = ToFloat(block.scale);
  const float minimum = ToFloat(block.minimum);
  for (uint32_t c = 0; c < 2 * kHalf; ++c) {
    out[c] = scale * static_cast<float>(FiveBits(block, c)) + minimum;
  }
}

void Decode(const BlockIq4Nl& block, float* out) {
  const float scale = ToFloat(block.scale);
  for (uint32_t c = 0; c < 2 * kHalf; ++c) {
    out[c] = scale * static_cast<float>(kIq4Values[Nibble(block.codes, c)]);
  }
}

}  // namespace mimo
