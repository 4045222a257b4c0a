#pragma once
// Sixteen words of 32 bits in four NEON registers. Include only from files compiled for 64-bit Arm with dot
// products (Armv8.2), after simd_neon.h. A product of bytes is one instruction, with signs on both sides.

#include <arm_neon.h>

#include <cstdint>

namespace mimo {
namespace {

struct Integers {
  struct Word16 {
    int32x4_t quarter[4];
  };
  static constexpr uint32_t kTokensTogether = 2;          // whose sums stay in registers while unpacking
  static constexpr uint32_t kUnpackedTokensTogether = 2;  // and with codes that are unpacked
  static constexpr uint32_t kUnpackedPanelsTogether = 1;
  // From so many tokens on unpacking pays.
  static constexpr uint32_t UnpackTokensMin(int32_t /*code_max*/) { return 8; }
  static constexpr bool kHasPairProducts = false;
  static constexpr bool kInvertsBits = false;
  static constexpr bool kWideDotIsSigned = true;

  static Word16 Zero() { return Set(0); }
  static Word16 Set(int32_t word) { return Same(vdupq_n_s32(word)); }
  static Word16 Load(const void* p) {
    const auto* const bytes = static_cast<const int8_t*>(p);
    return Each([&](int i) { return vreinterpretq_s32_s8(vld1q_s8(bytes + i * 16)); });
  }
  static void Store(void* p, Word16 v) {
    auto* const bytes = static_cast<int8_t*>(p);
    for (int i = 0; i < 4; ++i) vst1q_s8(bytes + i * 16, vreinterpretq_s8_s32(v.quarter[i]));
  }
  static Word16 FromUint8(const void* p) {
    const uint8x16_t bytes = vld1q_u8(static_cast<const uint8_t*>(p));
    return Widen(vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
  }
  static Word16 FromUint16(const void* p) {
    const auto* const bytes = static_cast<const uint8_t*>(p);
    return Widen(vreinterpretq_u16_u8(vld1q_u8(bytes)), vreinterpretq_u16_u8(vld1q_u8(bytes + 16)));
  }
  // The same 16 bytes in every 128 bits.
  static Word16 Table(const void* p) {
    return Same(vreinterpretq_s32_s8(vld1q_s8(static_cast<const int8_t*>(p))));
  }

  static Word16 And(Word16 a, Word16 b) {
    return Each([&](int i) { return vandq_s32(a.quarter[i], b.quarter[i]); });
  }
  static Word16 Or(Word16 a, Word16 b) {
    return Each([&](int i) { return vorrq_s32(a.quarter[i], b.quarter[i]); });
  }
  // (a & mask) | b
  static Word16 Insert(Word16 a, Word16 mask, Word16 b) { return Or(And(a, mask), b); }
  // With the vectors' own operators: the compiler turns a known count into the instruction's.
  static Word16 ShiftLeft(Word16 v, uint32_t bits) {
    return Each([&](int i) { return v.quarter[i] << static_cast<int32_t>(bits); });
  }
  static Word16 ShiftRight(Word16 v, uint32_t bits) {
    return Each([&](int i) { return vreinterpretq_s32_u32(vreinterpretq_u32_s32(v.quarter[i]) >> bits); });
  }
  static Word16 ShiftRightSigned(Word16 v, uint32_t bits) {
    return Each([&](int i) { return v.quarter[i] >> static_cast<int32_t>(bits); });
  }
  static Word16 Add(Word16 a, Word16 b) {
    return Each([&](int i) { return vaddq_s32(a.quarter[i], b.quarter[i]); });
  }
  static Word16 Subtract(Word16 a, Word16 b) {
    return Each([&](int i) { return vsubq_s32(a.quarter[i], b.quarter[i]); });
  }
  static Word16 Multiply(Word16 a, Word16 b) {
    return Each([&](int i) { return vmulq_s32(a.quarter[i], b.quarter[i]); });
  }
  static Word16 LookUp(Word16 table, Word16 indexes) {
    return Each([&](int i) {
      const uint8x16_t at = vreinterpretq_u8_s32(indexes.quarter[i]);
      return vreinterpretq_s32_s8(vqtbl1q_s8(vreinterpretq_s8_s32(table.quarter[i]), at));
    });
  }
  static Simd::Float16 ToFloat(Word16 v) {
    return {{vcvtq_f32_s32(v.quarter[0]), vcvtq_f32_s32(v.quarter[1]), vcvtq_f32_s32(v.quarter[2]),
             vcvtq_f32_s32(v.quarter[3])}};
  }
  // The same bits.
  static Simd::Float16 AsFloat(Word16 v) {
    return {{vreinterpretq_f32_s32(v.quarter[0]), vreinterpretq_f32_s32(v.quarter[1]),
             vreinterpretq_f32_s32(v.quarter[2]), vreinterpretq_f32_s32(v.quarter[3])}};
  }

  // sum + the products of the four bytes of each word: codes in [0, 127] times x in [-127, 127].
  static Word16 DotBytes(Word16 sum, Word16 codes, Word16 x) {
    return Each([&](int i) {
      return vdotq_s32(sum.quarter[i], vreinterpretq_s8_s32(codes.quarter[i]),
                       vreinterpretq_s8_s32(x.quarter[i]));
    });
  }

  // The same for codes - 128 with codes in [0, 255].
  static Word16 DotWideBytes(Word16 sum, Word16 codes, Word16 x) {
    const int32x4_t signs = vreinterpretq_s32_u8(vdupq_n_u8(0x80));
    return DotBytes(sum, Each([&](int i) { return veorq_s32(codes.quarter[i], signs); }), x);
  }

  // sum + the products of the two signed halves of each word.
  static Word16 DotHalves(Word16 sum, Word16 a, Word16 b) {
    return Each([&](int i) {
      const int16x8_t left = vreinterpretq_s16_s32(a.quarter[i]);
      const int16x8_t right = vreinterpretq_s16_s32(b.quarter[i]);
      const int32x4_t low = vmull_s16(vget_low_s16(left), vget_low_s16(right));
      return vaddq_s32(sum.quarter[i], vpaddq_s32(low, vmull_high_s16(left, right)));
    });
  }

 private:
  template <typename Operation>
  static Word16 Each(const Operation& operation) {
    return {{operation(0), operation(1), operation(2), operation(3)}};
  }
  static Word16 Same(int32x4_t v) { return {{v, v, v, v}}; }
  static Word16 Widen(uint16x8_t low, uint16x8_t high) {
    return {{vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))), vreinterpretq_s32_u32(vmovl_high_u16(low)),
             vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))),
             vreinterpretq_s32_u32(vmovl_high_u16(high))}};
  }
};

}  // namespace
}  // namespace mimo
