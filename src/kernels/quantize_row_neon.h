#pragma once
// Float32 rows as int8 codes. Include only from files compiled for 64-bit Arm.

#include <arm_neon.h>

#include "kernels/quantize_row_simd.h"

namespace mimo {
namespace {

struct NeonQuantizeSteps {
  static uint32_t LargestMagnitudeBits(const float* x, uint32_t columns) {
    uint32x4_t largest = vdupq_n_u32(0);
    for (uint32_t c = 0; c < columns; c += 4) {
      largest = vmaxq_u32(largest, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + c))));
    }
    return vmaxvq_u32(largest);
  }

  static int16_t QuantizeColumns16(const float* x, float inverse, int8_t* codes) {
    const auto eight = [&](uint32_t c) {
      const int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + c), inverse));
      const int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + c + 4), inverse));
      return vcombine_s16(vmovn_s32(low), vmovn_s32(high));
    };
    const int16x8_t low = eight(0);
    const int16x8_t high = eight(8);
    vst1q_s8(codes, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
    return vaddvq_s16(vaddq_s16(low, high));
  }
};

void QuantizeRow(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out) {
  QuantizeRowWith<NeonQuantizeSteps>(x, cols, form, out);
}

}  // namespace
}  // namespace mimo
