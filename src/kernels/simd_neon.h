#pragma once
// Sixteen float lanes in four NEON registers: the same lanes, and so the same bits, as the x86 variants.
// Include only from files compiled for 64-bit Arm.

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace mimo {
// Unnamed, so that no function compiled for this instruction set can be merged with another file's by the
// linker.
namespace {

struct Simd {
  static constexpr uint32_t kTileRows = 2;  // weight rows x tokens whose sums stay in registers
  static constexpr uint32_t kTileTokens = 2;
  struct Float16 {  // 16 lanes
    float32x4_t quarter[4];
  };

  static Float16 Zero() { return Broadcast(0.0F); }
  static Float16 Broadcast(float value) {
    const float32x4_t v = vdupq_n_f32(value);
    return {{v, v, v, v}};
  }
  static Float16 Load(const float* p) {
    return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
  }
  static void Store(float* p, Float16 v) {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + i * 4, v.quarter[i]);
  }
  static Float16 Add(Float16 a, Float16 b) {
    return Each([&](int i) { return vaddq_f32(a.quarter[i], b.quarter[i]); });
  }
  static Float16 Subtract(Float16 a, Float16 b) {
    return Each([&](int i) { return vsubq_f32(a.quarter[i], b.quarter[i]); });
  }
  static Float16 Multiply(Float16 a, Float16 b) {
    return Each([&](int i) { return vmulq_f32(a.quarter[i], b.quarter[i]); });
  }
  static Float16 Divide(Float16 a, Float16 b) {
    return Each([&](int i) { return vdivq_f32(a.quarter[i], b.quarter[i]); });
  }
  static Float16 Max(Float16 a, Float16 b) {
    return Each([&](int i) { return vmaxq_f32(a.quarter[i], b.quarter[i]); });
  }
  static Float16 Min(Float16 a, Float16 b) {
    return Each([&](int i) { return vminq_f32(a.quarter[i], b.quarter[i]); });
  }
  // a * b + c, rounded once.
  static Float16 MultiplyAdd(Float16 a, Float16 b, Float16 c) {
    return Each([&](int i) { return vfmaq_f32(c.quarter[i], a.quarter[i], b.quarter[i]); });
  }
  static Float16 Round(Float16 v) {
    return Each([&](int i) { return vrndnq_f32(v.quarter[i]); });
  }
  // 2^n for whole n in [-126, 127].
  static Float16 PowerOfTwo(Float16 n) {
    return Each([&](int i) {
      const int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(n.quarter[i]), vdupq_n_s32(127));
      return vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23));
    });
  }
  static Float16 FromBf16(const void* p) {
    const auto* const bits = static_cast<const uint16_t*>(p);
    return Each([&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(LoadFour(bits + i * 4), 16)); });
  }
  static Float16 FromFp16(const void* p) {
    const auto* const bits = static_cast<const uint16_t*>(p);
    return Each([&](int i) { return FromFp16(LoadFour(bits + i * 4)); });
  }
  static float32x4_t FromFp16(uint16x4_t bits) { return vcvt_f32_f16(vreinterpret_f16_u16(bits)); }
  static Float16 FromInt8(int8x16_t bytes) {
    const int16x8_t low = vmovl_s8(vget_low_s8(bytes));
    const int16x8_t high = vmovl_high_s8(bytes);
    return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
             vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_high_s16(high))}};
  }
  // `value` where x >= bound, 0 elsewhere.
  static Float16 KeepAtLeast(Float16 x, Float16 bound, Float16 value) {
    return Each([&](int i) {
      const uint32x4_t bits = vreinterpretq_u32_f32(value.quarter[i]);
      return vreinterpretq_f32_u32(vandq_u32(vcgeq_f32(x.quarter[i], bound.quarter[i]), bits));
    });
  }
  // out[i] = the lanes of sums[i], folded 16 -> 8 -> 4 -> 2 -> 1: two vectors at a time share each fold.
  static void SumEach(const Float16 (&sums)[kTileRows * kTileTokens], float* out) {
    float32x4_t four[4];
    for (int i = 0; i < 4; ++i) four[i] = FoldToFour(sums[i]);
    float32x4_t two[2];  // those of sums[2 * i] in the low half, those of sums[2 * i + 1] in the high one
    for (int i = 0; i < 2; ++i) {
      const float64x2_t even = vreinterpretq_f64_f32(four[2 * i]);
      const float64x2_t odd = vreinterpretq_f64_f32(four[2 * i + 1]);
      two[i] = vaddq_f32(vreinterpretq_f32_f64(vzip1q_f64(even, odd)),
                         vreinterpretq_f32_f64(vzip2q_f64(even, odd)));
    }
    vst1q_f32(out, vpaddq_f32(two[0], two[1]));
  }
  static float32x4_t FoldToFour(Float16 v) {
    return vaddq_f32(vaddq_f32(v.quarter[0], v.quarter[2]), vaddq_f32(v.quarter[1], v.quarter[3]));
  }

 private:
  template <typename Operation>
  static Float16 Each(const Operation& operation) {
    return {{operation(0), operation(1), operation(2), operation(3)}};
  }
  // Four words at any address.
  static uint16x4_t LoadFour(const uint16_t* p) {
    return vreinterpret_u16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(p)));
  }
};

// ---- What simd_x86.h has for x86.

// Folds 16 -> 8 -> 4 -> 2 -> 1 lanes, always in this order.
inline float SumLanes(Simd::Float16 v) {
  const float32x4_t four = Simd::FoldToFour(v);
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

inline int8x16_t LoadBytes(const void* at) { return vld1q_s8(static_cast<const int8_t*>(at)); }

// 16 codes of one byte.
inline Simd::Float16 FromInt8(const std::byte* codes) { return Simd::FromInt8(LoadBytes(codes)); }

// 16 E4M3 codes, each as its value / 256: moved to the fields of a binary16 number, which has the same 3
// upper mantissa bits and an exponent bias greater by 8. The two NaN codes read as 480 / 256.
inline Simd::Float16 FromFp8(const std::byte* at) {
  const int8x16_t codes = LoadBytes(at);
  // Sign extension puts copies of the sign on top; after the shift one is in place and one is in the way.
  const auto halves = [](int16x8_t wide) {
    return vreinterpretq_u16_s16(vandq_s16(vshlq_n_s16(wide, 7), vdupq_n_s16(static_cast<int16_t>(0xbfff))));
  };
  const uint16x8_t low = halves(vmovl_s8(vget_low_s8(codes)));
  const uint16x8_t high = halves(vmovl_high_s8(codes));
  return {{Simd::FromFp16(vget_low_u16(low)), Simd::FromFp16(vget_high_u16(low)),
           Simd::FromFp16(vget_low_u16(high)), Simd::FromFp16(vget_high_u16(high))}};
}

// 16 E2M1 codes, neighbours in one byte, each as its doubled value, which is a whole number.
inline Simd::Float16 FromE2M1(const std::byte* at) {
  static constexpr int8_t kDoubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const uint8x8_t pairs = vld1_u8(reinterpret_cast<const uint8_t*>(at));
  const uint8x8_t low = vand_u8(pairs, vdup_n_u8(15));
  const uint8x8_t high = vshr_n_u8(pairs, 4);
  const uint8x16_t codes = vcombine_u8(vzip1_u8(low, high), vzip2_u8(low, high));
  return Simd::FromInt8(vqtbl1q_s8(vld1q_s8(kDoubled), codes));
}

// One binary16 number.
inline float FromFp16Bits(uint16_t bits) { return vgetq_lane_f32(Simd::FromFp16(vdup_n_u16(bits)), 0); }

inline void PrefetchToL2(const std::byte* at) { __builtin_prefetch(at, 0, 2); }

}  // namespace
}  // namespace mimo
