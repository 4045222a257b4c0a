#pragma once
// Sixteen float lanes in two AVX2 registers: the same lanes, and so the same bits, as the AVX-512 variant.
// Include only from files compiled for AVX2, FMA and F16C.

#include <immintrin.h>

#include <cstdint>

namespace mimo {
// Unnamed, so that no function compiled for this instruction set can be merged with another file's by the
// linker.
namespace {

struct Simd {
  static constexpr uint32_t kTileRows = 2;  // weight rows x tokens whose sums stay in registers
  static constexpr uint32_t kTileTokens = 2;
  struct Float16 {  // 16 lanes
    __m256 low;
    __m256 high;
  };

  static Float16 Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Float16 Broadcast(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  static Float16 Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static void Store(float* p, Float16 v) {
    _mm256_storeu_ps(p, v.low);
    _mm256_storeu_ps(p + 8, v.high);
  }
  static Float16 Add(Float16 a, Float16 b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  static Float16 Subtract(Float16 a, Float16 b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
  }
  static Float16 Multiply(Float16 a, Float16 b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  static Float16 Divide(Float16 a, Float16 b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
  }
  static Float16 Max(Float16 a, Float16 b) {
    return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
  }
  static Float16 Min(Float16 a, Float16 b) {
    return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
  }
  // a * b + c, rounded once.
  static Float16 MultiplyAdd(Float16 a, Float16 b, Float16 c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static Float16 Round(Float16 v) {
    constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(v.low, kMode), _mm256_round_ps(v.high, kMode)};
  }
  // 2^n for whole n in [-126, 127].
  static Float16 PowerOfTwo(Float16 n) { return {PowerOfTwo(n.low), PowerOfTwo(n.high)}; }
  static __m256 PowerOfTwo(__m256 n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
  }
  static Float16 FromBf16(const void* p) {
    const auto* halves = static_cast<const __m128i*>(p);
    return {FromBf16(_mm_loadu_si128(halves)), FromBf16(_mm_loadu_si128(halves + 1))};
  }
  static __m256 FromBf16(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static Float16 FromFp16(__m256i bits) {
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(bits)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(bits, 1))};
  }
  static Float16 FromFp16(const void* p) {
    return FromFp16(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  static Float16 FromInt8(__m128i bytes) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
  }
  // `value` where x >= bound, 0 elsewhere.
  static Float16 KeepAtLeast(Float16 x, Float16 bound, Float16 value) {
    return {_mm256_and_ps(_mm256_cmp_ps(x.low, bound.low, _CMP_GE_OQ), value.low),
            _mm256_and_ps(_mm256_cmp_ps(x.high, bound.high, _CMP_GE_OQ), value.high)};
  }
  // out[i] = the lanes of sums[i], folded 16 -> 8 -> 4 -> 2 -> 1: two vectors at a time share each fold. No
  // loops: GCC would keep the sums in memory for them.
  [[gnu::always_inline]] static void SumEach(const Float16 (&sums)[kTileRows * kTileTokens], float* out) {
    const __m256d a = FoldHalves(Fold(sums[0]), Fold(sums[1]));
    const __m256d b = FoldHalves(Fold(sums[2]), Fold(sums[3]));
    const __m256 pairs =
        _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
    // In the even lanes: sums[0], sums[2], sums[1], sums[3].
    const __m256 lanes = _mm256_add_ps(pairs, _mm256_movehdup_ps(pairs));
    const __m128 low = _mm256_castps256_ps128(lanes);
    const __m128 high = _mm256_extractf128_ps(lanes, 1);
    const __m128 ordered = _mm_unpacklo_ps(low, high);       // sums[0], sums[1]
    const __m128 ordered_high = _mm_unpackhi_ps(low, high);  // sums[2], sums[3]
    _mm_storeu_ps(out, _mm_movelh_ps(ordered, ordered_high));
  }
  static __m256 Fold(Float16 v) { return _mm256_add_ps(v.low, v.high); }
  // The sums of a in the lower half of the result, those of b in the upper one.
  static __m256d FoldHalves(__m256 a, __m256 b) {
    return _mm256_castps_pd(
        _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31)));
  }
  // Lanes 0..7 and 8..15.
  static __m256 Low(Float16 v) { return v.low; }
  static __m256 High(Float16 v) { return v.high; }
};

}  // namespace
}  // namespace mimo
