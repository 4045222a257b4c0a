#pragma once
// Sixteen words of 32 bits in one AVX-512 register. Include only from files compiled for AVX-512, after
// simd_avx512.h. With VNNI a product of bytes is one instruction, without it three.

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace mimo {
namespace {

struct Integers {
  using Word16 = __m512i;
  static constexpr uint32_t kTokensTogether = 4;          // whose sums stay in registers while unpacking
  static constexpr uint32_t kUnpackedTokensTogether = 4;  // and with codes that are unpacked
  static constexpr uint32_t kUnpackedPanelsTogether = 2;
  // From so many tokens on unpacking pays.
  static constexpr uint32_t UnpackTokensMin(int32_t /*code_max*/) { return 8; }
  static constexpr bool kInvertsBits = false;
#ifdef __AVX512VNNI__
  static constexpr bool kWideDotIsSigned = false;
  static constexpr bool kHasPairProducts = false;
#else
  static constexpr bool kWideDotIsSigned = true;
  static constexpr bool kHasPairProducts = true;
#endif

  static Word16 Zero() { return _mm512_setzero_si512(); }
  static Word16 Set(int32_t word) { return _mm512_set1_epi32(word); }
  static Word16 Load(const void* p) { return _mm512_loadu_si512(p); }
  static void Store(void* p, Word16 v) { _mm512_storeu_si512(p, v); }
  static Word16 FromUint8(const void* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  static Word16 FromUint16(const void* p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  // The same 16 bytes in every 128 bits.
  static Word16 Table(const void* p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }

  static Word16 And(Word16 a, Word16 b) { return _mm512_and_si512(a, b); }
  static Word16 Or(Word16 a, Word16 b) { return _mm512_or_si512(a, b); }
  // (a & mask) | b
  static Word16 Insert(Word16 a, Word16 mask, Word16 b) {
    return _mm512_ternarylogic_epi32(a, mask, b, 0xea);
  }
  static Word16 ShiftLeft(Word16 v, uint32_t bits) { return _mm512_slli_epi32(v, bits); }
  static Word16 ShiftRight(Word16 v, uint32_t bits) { return _mm512_srli_epi32(v, bits); }
  static Word16 ShiftRightSigned(Word16 v, uint32_t bits) { return _mm512_srai_epi32(v, bits); }
  static Word16 Add(Word16 a, Word16 b) { return _mm512_add_epi32(a, b); }
  static Word16 Subtract(Word16 a, Word16 b) { return _mm512_sub_epi32(a, b); }
  static Word16 Multiply(Word16 a, Word16 b) { return _mm512_mullo_epi32(a, b); }
  static Word16 LookUp(Word16 table, Word16 indexes) { return _mm512_shuffle_epi8(table, indexes); }
  static Simd::Float16 ToFloat(Word16 v) { return _mm512_cvtepi32_ps(v); }
  // The same bits.
  static Simd::Float16 AsFloat(Word16 v) { return _mm512_castsi512_ps(v); }

  // sum + the products of the four bytes of each word: codes in [0, 127] times x in [-127, 127].
  static Word16 DotBytes(Word16 sum, Word16 codes, Word16 x) {
#ifdef __AVX512VNNI__
    return _mm512_dpbusd_epi32(sum, codes, x);
#else
    return AddWidened(sum, PairProducts(codes, x));  // 2 * 127 * 127 < 2^15
#endif
  }

  // The same for codes in [0, 255], or, where kWideDotIsSigned, for codes - 128.
  static Word16 DotWideBytes(Word16 sum, Word16 codes, Word16 x) {
#ifdef __AVX512VNNI__
    return _mm512_dpbusd_epi32(sum, codes, x);
#else
    const Word16 values = _mm512_xor_si512(codes, _mm512_set1_epi8(static_cast<char>(0x80)));
    const __mmask64 is_negative = _mm512_movepi8_mask(values);
    const Word16 signed_x = _mm512_mask_sub_epi8(x, is_negative, _mm512_setzero_si512(), x);
    return DotBytes(sum, _mm512_abs_epi8(values), signed_x);  // 2 * 128 * 127 < 2^15
#endif
  }

#ifndef __AVX512VNNI__
  // The products of the bytes of each half word, added; 16 bits hold sums of these for small codes.
  static Word16 PairProducts(Word16 codes, Word16 x) { return _mm512_maddubs_epi16(codes, x); }
  static Word16 AddPairs(Word16 a, Word16 b) { return Accumulated(_mm512_add_epi16(a, b)); }
  // sum + the two halves of each word.
  static Word16 AddWidened(Word16 sum, Word16 pairs) {
    return Accumulated(_mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1))));
  }
#endif

  // sum + the products of the two signed halves of each word.
  static Word16 DotHalves(Word16 sum, Word16 a, Word16 b) {
#ifdef __AVX512VNNI__
    return _mm512_dpwssd_epi32(sum, a, b);
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
  }

 private:
  // The sum so far, in a register from here on. Without it GCC 12 takes the products of all steps before it
  // adds them up, and runs out of registers.
  static Word16 Accumulated(Word16 sum) {
    __asm__("" : "+v"(sum));
    return sum;
  }
};

}  // namespace
}  // namespace mimo
