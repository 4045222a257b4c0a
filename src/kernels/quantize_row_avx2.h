#pragma once
// Float32 rows as int8 codes. Include only from files compiled for AVX2. Same bits as QuantizeRowReference.

#include <immintrin.h>

#include <cstring>
#include <limits>

#include "kernels/quantized_row.h"

namespace mimo {
namespace {

inline int32_t SumLanes(__m256i v) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

// 16 columns with one inverse scale, and the sum of their codes.
inline int16_t QuantizeColumns16(const float* x, __m256 inverse, int8_t* codes) {
  const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse));
  const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), inverse));
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), bytes);
  return static_cast<int16_t>(SumLanes(_mm256_add_epi32(low, high)));
}

// The bits of the largest magnitude: as integers they order like the numbers, with NaN on top.
inline uint32_t LargestMagnitudeBits(const float* x, uint32_t columns) {
  __m256i largest = _mm256_setzero_si256();
  for (uint32_t c = 0; c < columns; c += 8) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + c));
    largest = _mm256_max_epi32(largest, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
  }
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
}

void QuantizeRow(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out) {
  constexpr uint32_t kInfinityBits = 0x7f800000;
  const uint32_t block = BlockColumns(form);
  for (uint32_t begin = 0; begin < cols; begin += block) {
    const uint32_t bits = LargestMagnitudeBits(x + begin, block);
    float largest;
    std::memcpy(&largest, &bits, sizeof(largest));
    if (largest < kBlockMagnitudeMin) largest = 0;
    const bool is_finite = bits < kInfinityBits;
    out.scales[begin / block] = is_finite ? largest / 127.0F : std::numeric_limits<float>::quiet_NaN();
    const __m256 inverse = _mm256_set1_ps(is_finite && largest > 0 ? 127.0F / largest : 0.0F);
    for (uint32_t c = begin; c < begin + block; c += 32) {
      int16_t* const sums = out.sums_16 + c / 16;
      if (is_finite) {
        sums[0] = QuantizeColumns16(x + c, inverse, out.codes + c);
        sums[1] = QuantizeColumns16(x + c + 16, inverse, out.codes + c + 16);
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
