// The types of E2M1 codes whose scales are 8-bit floating-point numbers.

#include "base/number_formats.h"
#include "kernels/dequantize.h"

namespace mimo {
namespace {

// A scale is never negative, and a damaged one must not make the product NaN where ggml's is 0.
float UnsignedE4M3(uint8_t code) {
  const auto magnitude = static_cast<uint8_t>(code & 0x7fU);
  return magnitude == 0x7fU ? 0.0F : Fp8E4M3ToFloat(magnitude);
}

// `count` columns whose codes stand in count / 2 bytes: the first half in the low nibbles.
void DecodeNibbles(float scale, const uint8_t* codes, uint32_t count, float* out) {
  for (uint32_t i = 0; i < count / 2; ++i) {
    out[i] = Fp4E2M1ToFloat(codes[i] & 15U) * scale;
    out[count / 2 + i] = Fp4E2M1ToFloat(static_cast<uint8_t>(codes[i] >> 4U)) * scale;
  }
}

}  // namespace

void Decode(const BlockMxFp4& block, float* out) {
  DecodeNibbles(E8M0ToFloat(block.scale), block.codes, 32, out);
}

void Decode(const BlockNvFp4& block, float* out) {
  for (uint32_t i = 0; i < 4; ++i) {
    DecodeNibbles(UnsignedE4M3(block.scales[i]), block.codes + i * 8, 16, out + i * 16);
  }
}

}  // namespace mimo
