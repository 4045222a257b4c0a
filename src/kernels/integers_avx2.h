#pragma once
// Sixteen words of 32 bits in two AVX2 registers. Include only from files compiled for AVX2, after
// simd_avx2.h. With AVX-VNNI a product of bytes is one instruction, without it three.

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace mimo {
namespace {

struct Integers {
  struct Word16 {
    __m256i low;
    __m256i high;
  };
  static constexpr uint32_t kTokensTogether = 2;          // whose sums stay in registers while unpacking
  static constexpr uint32_t kUnpackedTokensTogether = 4;  // and with codes that are unpacked
  static constexpr uint32_t kUnpackedPanelsTogether = 1;
  // From so many tokens on unpacking pays; codes of five and six bits take longest to put together.
  static constexpr uint32_t UnpackTokensMin(int32_t code_max) {
    return code_max == 31 || code_max == 63 ? 4 : 5;
  }
#ifdef __AVXVNNI__
  static constexpr bool kWideDotIsSigned = false;
  static constexpr bool kHasPairProducts = false;
  static constexpr bool kInvertsBits = false;
#else
  static constexpr bool kWideDotIsSigned = true;
  static constexpr bool kHasPairProducts = true;
  static constexpr bool kInvertsBits = true;
#endif

  static Word16 Zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Word16 Set(int32_t word) { return {_mm256_set1_epi32(word), _mm256_set1_epi32(word)}; }
  static Word16 Load(const void* p) {
    const auto* const halves = static_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(halves), _mm256_loadu_si256(halves + 1)};
  }
  static void Store(void* p, Word16 v) {
    auto* const halves = static_cast<__m256i*>(p);
    _mm256_storeu_si256(halves, v.low);
    _mm256_storeu_si256(halves + 1, v.high);
  }
  static Word16 FromUint8(const void* p) {
    const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(p));
    return {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
  }
  static Word16 FromUint16(const void* p) {
    const auto* const halves = static_cast<const __m128i*>(p);
    return {_mm256_cvtepu16_epi32(_mm_loadu_si128(halves)),
            _mm256_cvtepu16_epi32(_mm_loadu_si128(halves + 1))};
  }
  // The same 16 bytes in every 128 bits.
  static Word16 Table(const void* p) {
    const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(p)));
    return {both, both};
  }

  static Word16 And(Word16 a, Word16 b) {
    return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
  }
  static Word16 Or(Word16 a, Word16 b) {
    return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
  }
  // (a & mask) | b
  static Word16 Insert(Word16 a, Word16 mask, Word16 b) { return Or(And(a, mask), b); }
  static Word16 ShiftLeft(Word16 v, uint32_t bits) {
    const auto count = static_cast<int>(bits);
    return {_mm256_slli_epi32(v.low, count), _mm256_slli_epi32(v.high, count)};
  }
  static Word16 ShiftRight(Word16 v, uint32_t bits) {
    const auto count = static_cast<int>(bits);
    return {_mm256_srli_epi32(v.low, count), _mm256_srli_epi32(v.high, count)};
  }
  static Word16 ShiftRightSigned(Word16 v, uint32_t bits) {
    const auto count = static_cast<int>(bits);
    return {_mm256_srai_epi32(v.low, count), _mm256_srai_epi32(v.high, count)};
  }
  static Word16 Add(Word16 a, Word16 b) {
    return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
  }
  static Word16 Subtract(Word16 a, Word16 b) {
    return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
  }
  static Word16 Multiply(Word16 a, Word16 b) {
    return {_mm256_mullo_epi32(a.low, b.low), _mm256_mullo_epi32(a.high, b.high)};
  }
  static Word16 LookUp(Word16 table, Word16 indexes) {
    return {_mm256_shuffle_epi8(table.low, indexes.low), _mm256_shuffle_epi8(table.high, indexes.high)};
  }
  static Simd::Float16 ToFloat(Word16 v) { return {_mm256_cvtepi32_ps(v.low), _mm256_cvtepi32_ps(v.high)}; }
  // The same bits.
  static Simd::Float16 AsFloat(Word16 v) { return {_mm256_castsi256_ps(v.low), _mm256_castsi256_ps(v.high)}; }

  // sum + the products of the four bytes of each word: codes in [0, 127] times x in [-127, 127].
  static Word16 DotBytes(Word16 sum, Word16 codes, Word16 x) {
    return {DotBytes(sum.low, codes.low, x.low), DotBytes(sum.high, codes.high, x.high)};
  }

  // The same for codes in [0, 255], or, where kWideDotIsSigned, for codes - 128.
  static Word16 DotWideBytes(Word16 sum, Word16 codes, Word16 x) {
    return {DotWideBytes(sum.low, codes.low, x.low), DotWideBytes(sum.high, codes.high, x.high)};
  }

#ifndef __AVXVNNI__
  // The products of the bytes of each half word, added; 16 bits hold sums of these for small codes.
  static Word16 PairProducts(Word16 codes, Word16 x) {
    return {_mm256_maddubs_epi16(codes.low, x.low), _mm256_maddubs_epi16(codes.high, x.high)};
  }
  static Word16 AddPairs(Word16 a, Word16 b) {
    return {Accumulated(_mm256_add_epi16(a.low, b.low)), Accumulated(_mm256_add_epi16(a.high, b.high))};
  }
  // sum + the two halves of each word.
  static Word16 AddWidened(Word16 sum, Word16 pairs) {
    const __m256i ones = _mm256_set1_epi16(1);
    return {Accumulated(_mm256_add_epi32(sum.low, _mm256_madd_epi16(pairs.low, ones))),
            Accumulated(_mm256_add_epi32(sum.high, _mm256_madd_epi16(pairs.high, ones)))};
  }

  struct SplitBytes {
    Word16 magnitudes;
    Word16 negative;  // all bits where the byte is
  };
  // codes - 128 with codes in [0, 255].
  static SplitBytes SplitWideBytes(Word16 codes) {
    const Word16 values = Signed(codes);
    const __m256i zero = _mm256_setzero_si256();
    return {{_mm256_abs_epi8(values.low), _mm256_abs_epi8(values.high)},
            {_mm256_cmpgt_epi8(zero, values.low), _mm256_cmpgt_epi8(zero, values.high)}};
  }
  // ~x where `negative`. Times magnitudes of up to 128, two products then lie between -2 * 128 * 128 = -2^15
  // and 2 * 127 * 127 < 2^15: ~x is in [-128, 126].
  static Word16 Invert(Word16 x, Word16 negative) {
    return {_mm256_xor_si256(x.low, negative.low), _mm256_xor_si256(x.high, negative.high)};
  }
  // sum + the magnitudes of the negative ones of codes - 128.
  static Word16 AddNegativeMagnitudes(Word16 sum, Word16 codes) {
    const Word16 values = Signed(codes);
    const auto magnitudes = [](__m256i v) {
      return _mm256_abs_epi8(_mm256_min_epi8(v, _mm256_setzero_si256()));
    };
    const Word16 ones = Set(0x01010101);
    return AddWidened(sum, PairProducts({magnitudes(values.low), magnitudes(values.high)}, ones));
  }
#endif

  // sum + the products of the two signed halves of each word.
  static Word16 DotHalves(Word16 sum, Word16 a, Word16 b) {
    return Add(sum, {_mm256_madd_epi16(a.low, b.low), _mm256_madd_epi16(a.high, b.high)});
  }

 private:
  // The sum so far, in a register from here on. Without it GCC 12 takes the products of all steps before it
  // adds them up, and runs out of registers.
  static __m256i Accumulated(__m256i sum) {
    __asm__("" : "+x"(sum));
    return sum;
  }

  static __m256i DotBytes(__m256i sum, __m256i codes, __m256i x) {
#ifdef __AVXVNNI__
    return _mm256_dpbusd_avx_epi32(sum, codes, x);
#else
    // Pairs of products stay below 2 * 127 * 127 < 2^15.
    const __m256i pairs = _mm256_maddubs_epi16(codes, x);
    return Accumulated(_mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
#endif
  }

  static Word16 Signed(Word16 codes) {
    const __m256i signs = _mm256_set1_epi8(static_cast<char>(0x80));
    return {_mm256_xor_si256(codes.low, signs), _mm256_xor_si256(codes.high, signs)};
  }

  static __m256i DotWideBytes(__m256i sum, __m256i codes, __m256i x) {
#ifdef __AVXVNNI__
    return _mm256_dpbusd_avx_epi32(sum, codes, x);
#else
    const __m256i values = _mm256_xor_si256(codes, _mm256_set1_epi8(static_cast<char>(0x80)));
    // 2 * 128 * 127 < 2^15
    return DotBytes(sum, _mm256_abs_epi8(values), _mm256_sign_epi8(x, values));
#endif
  }
};

}  // namespace
}  // namespace mimo
