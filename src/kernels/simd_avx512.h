#pragma once
// Sixteen float lanes in one AVX-512 register. Include only from files compiled for AVX-512.

#include <immintrin.h>

#include <cstdint>

namespace mimo {
// Unnamed, so that no function compiled for this instruction set can be merged with another file's by the
// linker.
namespace {

struct Simd {
  static constexpr uint32_t kTileRows = 4;  // weight rows x tokens whose sums stay in registers
  static constexpr uint32_t kTileTokens = 4;
  using Float16 = __m512;  // 16 lanes

  static Float16 Zero() { return _mm512_setzero_ps(); }
  static Float16 Broadcast(float value) { return _mm512_set1_ps(value); }
  static Float16 Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, Float16 v) { _mm512_storeu_ps(p, v); }
  static Float16 Add(Float16 a, Float16 b) { return _mm512_add_ps(a, b); }
  static Float16 Subtract(Float16 a, Float16 b) { return _mm512_sub_ps(a, b); }
  static Float16 Multiply(Float16 a, Float16 b) { return _mm512_mul_ps(a, b); }
  static Float16 Divide(Float16 a, Float16 b) { return _mm512_div_ps(a, b); }
  static Float16 Max(Float16 a, Float16 b) { return _mm512_max_ps(a, b); }
  static Float16 Min(Float16 a, Float16 b) { return _mm512_min_ps(a, b); }
  // a * b + c, rounded once.
  static Float16 MultiplyAdd(Float16 a, Float16 b, Float16 c) { return _mm512_fmadd_ps(a, b, c); }
  static Float16 Round(Float16 v) {
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // 2^n for whole n in [-126, 127].
  static Float16 PowerOfTwo(Float16 n) {
    const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
  }
  static Float16 FromBf16(const void* p) {
    const __m256i bits = _mm256_loadu_si256(static_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static Float16 FromFp16(__m256i bits) { return _mm512_cvtph_ps(bits); }
  static Float16 FromFp16(const void* p) {
    return FromFp16(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  static Float16 FromInt8(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }
  // `value` where x >= bound, 0 elsewhere.
  static Float16 KeepAtLeast(Float16 x, Float16 bound, Float16 value) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_GE_OQ), value);
  }
  // out[i] = the lanes of sums[i], folded 16 -> 8 -> 4 -> 2 -> 1: two vectors at a time share each fold.
  static void SumEach(const Float16 (&sums)[kTileRows * kTileTokens], float* out) {
    Float16 eight[8];
    for (int i = 0; i < 8; ++i) {
      eight[i] = Add(_mm512_mask_blend_ps(0xff00, sums[i], sums[i + 8]),
                     _mm512_shuffle_f32x4(sums[i], sums[i + 8], 0x4e));
    }
    Float16 four[4];
    for (int i = 0; i < 4; ++i) {
      const Float16 other = _mm512_mask_blend_ps(0xf0f0, eight[i + 4], eight[i]);
      four[i] =
          Add(_mm512_mask_blend_ps(0xf0f0, eight[i], eight[i + 4]), _mm512_shuffle_f32x4(other, other, 0xb1));
    }
    Float16 two[2];
    for (int i = 0; i < 2; ++i) {
      const Float16 other = _mm512_mask_blend_ps(0xcccc, four[i + 2], four[i]);
      two[i] = Add(_mm512_mask_blend_ps(0xcccc, four[i], four[i + 2]), _mm512_permute_ps(other, 0x4e));
    }
    const Float16 other = _mm512_mask_blend_ps(0xaaaa, two[1], two[0]);
    Store(out, Add(_mm512_mask_blend_ps(0xaaaa, two[0], two[1]), _mm512_permute_ps(other, 0xb1)));
  }
  // Lanes 0..7 and 8..15.
  static __m256 Low(Float16 v) { return _mm512_castps512_ps256(v); }
  static __m256 High(Float16 v) { return _mm512_extractf32x8_ps(v, 1); }
};

}  // namespace
}  // namespace mimo
