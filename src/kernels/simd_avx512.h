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
  // out[i] = the lanes of sums[i], folded 16 -> 8 -> 4 -> 2 -> 1: two vectors at a time share each fold. No
  // loops: GCC would keep the sums in memory for them.
  [[gnu::always_inline]] static void SumEach(const Float16 (&sums)[kTileRows * kTileTokens], float* out) {
    const Float16 a = FoldQuarters(FoldHalves(sums[0], sums[8]), FoldHalves(sums[4], sums[12]));
    const Float16 b = FoldQuarters(FoldHalves(sums[1], sums[9]), FoldHalves(sums[5], sums[13]));
    const Float16 c = FoldQuarters(FoldHalves(sums[2], sums[10]), FoldHalves(sums[6], sums[14]));
    const Float16 d = FoldQuarters(FoldHalves(sums[3], sums[11]), FoldHalves(sums[7], sums[15]));
    Store(out, FoldLanes(FoldPairs(a, c), FoldPairs(b, d)));
  }
  // The result holds the sums of a in its lower half, or even quarters, pairs or lanes, those of b in the
  // others.
  static Float16 FoldHalves(Float16 a, Float16 b) {
    return Add(_mm512_mask_blend_ps(0xff00, a, b), _mm512_shuffle_f32x4(a, b, 0x4e));
  }
  static Float16 FoldQuarters(Float16 a, Float16 b) {
    const Float16 other = _mm512_mask_blend_ps(0xf0f0, b, a);
    return Add(_mm512_mask_blend_ps(0xf0f0, a, b), _mm512_shuffle_f32x4(other, other, 0xb1));
  }
  static Float16 FoldPairs(Float16 a, Float16 b) {
    const Float16 other = _mm512_mask_blend_ps(0xcccc, b, a);
    return Add(_mm512_mask_blend_ps(0xcccc, a, b), _mm512_permute_ps(other, 0x4e));
  }
  static Float16 FoldLanes(Float16 a, Float16 b) {
    const Float16 other = _mm512_mask_blend_ps(0xaaaa, b, a);
    return Add(_mm512_mask_blend_ps(0xaaaa, a, b), _mm512_permute_ps(other, 0xb1));
  }
  // Lanes 0..7 and 8..15.
  static __m256 Low(Float16 v) { return _mm512_castps512_ps256(v); }
  static __m256 High(Float16 v) { return _mm512_extractf32x8_ps(v, 1); }
};

}  // namespace
}  // namespace mimo
