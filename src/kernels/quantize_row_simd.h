#pragma once
// Float32 rows as int8 codes, with the bits of QuantizeRowReference, for the instruction sets.

#include <cstring>
#include <limits>

#include "kernels/quantized_row.h"

namespace mimo {
namespace {

// `Steps` of an instruction set:
//   uint32_t LargestMagnitudeBits(const float* x, uint32_t columns)   as integers, magnitudes order like the
//                                                                     numbers, with NaN on top
//   int16_t QuantizeColumns16(const float* x, float inverse, int8_t* codes)   the sum of the 16 codes
template <typename Steps>
void QuantizeRowWith(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out) {
  constexpr uint32_t kInfinityBits = 0x7f800000;
  const uint32_t block = BlockColumns(form);
  for (uint32_t begin = 0; begin < cols; begin += block) {
    const uint32_t bits = Steps::LargestMagnitudeBits(x + begin, block);
    float largest;
    std::memcpy(&largest, &bits, sizeof(largest));
    if (largest < kBlockMagnitudeMin) largest = 0;
    const bool is_finite = bits < kInfinityBits;
    out.scales[begin / block] = is_finite ? largest / 127.0F : std::numeric_limits<float>::quiet_NaN();
    const float inverse = is_finite && largest > 0 ? 127.0F / largest : 0.0F;
    for (uint32_t c = begin; c < begin + block; c += 32) {
      int16_t* const sums = out.sums_16 + c / 16;
      if (is_finite) {
        sums[0] = Steps::QuantizeColumns16(x + c, inverse, out.codes + c);
        sums[1] = Steps::QuantizeColumns16(x + c + 16, inverse, out.codes + c + 16);
      } else {
        std::memset(out.codes + c, 0, 32);
        sums[0] = sums[1] = 0;
      }
      out.sums_32[c / 32] = static_cast<int16_t>(sums[0] + sums[1]);
    }
  }
}

}  // namespace
}  // namespace mimo
