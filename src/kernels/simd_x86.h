#pragma once
// What the x86 variants do alike on top of `Simd`: folds over lanes, and elements of one byte or less.
// simd_math.h includes it; simd_neon.h has the same functions.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace mimo {
namespace {

// Folds 16 -> 8 -> 4 -> 2 -> 1 lanes, always in this order.
inline float SumLanes(Simd::Float16 v) {
  const __m256 eight = _mm256_add_ps(Simd::Low(v), Simd::High(v));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

// 16 codes of one byte.
inline Simd::Float16 FromInt8(const std::byte* codes) {
  return Simd::FromInt8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
}

// 16 E4M3 codes, each as its value / 256: moved to the fields of a binary16 number, which has the same 3
// upper mantissa bits and an exponent bias greater by 8. The two NaN codes read as 480 / 256.
inline Simd::Float16 FromFp8(const std::byte* at) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  // Sign extension puts copies of the sign on top; after the shift one is in place and one is in the way.
  const __m256i shifted = _mm256_slli_epi16(_mm256_cvtepi8_epi16(codes), 7);
  return Simd::FromFp16(_mm256_and_si256(shifted, _mm256_set1_epi16(static_cast<int16_t>(0xbfff))));
}

// 16 E2M1 codes, neighbours in one byte, each as its doubled value, which is a whole number.
inline Simd::Float16 FromE2M1(const std::byte* at) {
  const __m128i pairs = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
  const __m128i low = _mm_and_si128(pairs, _mm_set1_epi8(0x0f));
  const __m128i high = _mm_and_si128(_mm_srli_epi16(pairs, 4), _mm_set1_epi8(0x0f));
  const __m128i codes = _mm_unpacklo_epi8(low, high);
  const __m128i doubled = _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
  return Simd::FromInt8(_mm_shuffle_epi8(doubled, codes));
}

// One binary16 number.
inline float FromFp16Bits(uint16_t bits) { return _cvtsh_ss(bits); }

inline void PrefetchToL2(const std::byte* at) {
  _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
}

}  // namespace
}  // namespace mimo
