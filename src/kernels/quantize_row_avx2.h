#pragma once
// Float32 rows as int8 codes. Include only from files compiled for AVX2.

#include <immintrin.h>

#include "kernels/quantize_row_simd.h"

namespace mimo {
namespace {

struct Avx2QuantizeSteps {
  static uint32_t LargestMagnitudeBits(const float* x, uint32_t columns) {
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

  static int16_t QuantizeColumns16(const float* x, float inverse, int8_t* codes) {
    const __m256 factor = _mm256_set1_ps(inverse);
    const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), factor));
    const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), factor));
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), bytes);
    return static_cast<int16_t>(SumWords(_mm256_add_epi32(low, high)));
  }

 private:
  static int32_t SumWords(__m256i v) {
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
  }
};

void QuantizeRow(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out) {
  QuantizeRowWith<Avx2QuantizeSteps>(x, cols, form, out);
}

}  // namespace
}  // namespace mimo
