#pragma once
// Float32 rows as int8 codes. Include only from files compiled for AVX-512.

#include <immintrin.h>

#include "kernels/quantize_row_simd.h"

namespace mimo {
namespace {

struct Avx512QuantizeSteps {
  static uint32_t LargestMagnitudeBits(const float* x, uint32_t columns) {
    __m512i largest = _mm512_setzero_si512();
    for (uint32_t c = 0; c < columns; c += 16) {
      const __m512i bits = _mm512_castps_si512(_mm512_loadu_ps(x + c));
      largest = _mm512_max_epu32(largest, _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)));
    }
    return _mm512_reduce_max_epu32(largest);
  }

  static int16_t QuantizeColumns16(const float* x, float inverse, int8_t* codes) {
    const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(inverse)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm512_cvtepi32_epi8(rounded));
    return static_cast<int16_t>(_mm512_reduce_add_epi32(rounded));
  }
};

void QuantizeRow(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out) {
  QuantizeRowWith<Avx512QuantizeSteps>(x, cols, form, out);
}

}  // namespace
}  // namespace mimo
