#pragma once
// Float32 rows as int8 codes. Include only from files compiled for AVX-512. Same bits as
// QuantizeRowReference.

#include <immintrin.h>

#include <limits>

#include "kernels/quantized_row.h"

namespace mimo {
namespace {

// 16 columns with one inverse scale, and the sum of their codes.
inline int16_t QuantizeColumns16(const float* x, __m512 inverse, int8_t* codes) {
  const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), inverse));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm512_cvtepi32_epi8(rounded));
  return static_cast<int16_t>(_mm512_reduce_add_epi32(rounded));
}

// The bits of the largest magnitude: as integers they order like the numbers, with NaN on top.
inline uint32_t LargestMagnitudeBits(const float* x, uint32_t columns) {
  __m512i largest = _mm512_setzero_si512();
  for (uint32_t c = 0; c < columns; c += 16) {
    const __m512i bits = _mm512_castps_si512(_mm512_loadu_ps(x + c));
    largest = _mm512_max_epu32(largest, _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)));
  }
  return _mm512_reduce_max_epu32(largest);
}

void QuantizeRow(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out) {
  constexpr uint32_t kInfinityBits = 0x7f800000;
  const uint32_t block = form == RowForm::kInt8By256 ? 256 : 32;
  for (uint32_t begin = 0; begin < cols; begin += block) {
    const uint32_t bits = LargestMagnitudeBits(x + begin, block);
    float largest;
    std::memcpy(&largest, &bits, sizeof(largest));
    if (largest < kBlockMagnitudeMin) largest = 0;
    const bool is_finite = bits < kInfinityBits;
    out.scales[begin / block] = is_finite ? largest / 127.0F : std::numeric_limits<float>::quiet_NaN();
    const float inverse = is_finite && largest > 0 ? 127.0F / largest : 0.0F;
    for (uint32_t c = begin; c < begin + block; c += 32) {
      int16_t* const sums = out.sums_16 + c / 16;
      if (is_finite) {
        const __m512 factor = _mm512_set1_ps(inverse);
        sums[0] = QuantizeColumns16(x + c, factor, out.codes + c);
        sums[1] = QuantizeColumns16(x + c + 16, factor, out.codes + c + 16);
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
