// Every code of the 8- and 16-bit formats is compared with its definition, sign * 2^e * (1 + m / 2^bits),
// computed in double; rounding is checked at every representable value, at every midpoint and beside both.

#include "base/number_formats.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace mimo {
namespace {

struct Format {
  int exponent_bits;
  int mantissa_bits;
  int bias;
};
constexpr Format kBf16Format{8, 7, 127};
constexpr Format kFp16Format{5, 10, 15};
constexpr Format kFp8Format{4, 3, 7};
constexpr Format kFp4Format{2, 1, 1};

// The finite value of a code by its definition.
double Defined(uint32_t code, const Format& format) {
  const uint32_t mantissa = code & ((1U << format.mantissa_bits) - 1);
  const uint32_t exponent = (code >> format.mantissa_bits) & ((1U << format.exponent_bits) - 1);
  const bool negative = (code >> (format.mantissa_bits + format.exponent_bits)) != 0;
  const double fraction = std::ldexp(mantissa, -format.mantissa_bits);
  const double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - format.bias)
                                         : std::ldexp(1 + fraction, static_cast<int>(exponent) - format.bias);
  return negative ? -magnitude : magnitude;
}

void ExpectSame(float value, double expected, uint32_t code) {
  EXPECT_EQ(static_cast<double>(value), expected) << "code " << code;
  EXPECT_EQ(std::signbit(value), std::signbit(expected)) << "code " << code;
}

TEST(Bf16, EveryCodeHasItsDefinedValue) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const float value = ToFloat(Bf16{static_cast<uint16_t>(code)});
    if ((code & 0x7f80U) != 0x7f80U) {
      ExpectSame(value, Defined(code, kBf16Format), code);
    } else if ((code & 0x7fU) != 0) {
      EXPECT_TRUE(std::isnan(value)) << "code " << code;
    } else {
      ExpectSame(value, code == 0x7f80U ? HUGE_VAL : -HUGE_VAL, code);
    }
  }
}

TEST(Fp16, EveryCodeHasItsDefinedValue) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const float value = ToFloat(Fp16{static_cast<uint16_t>(code)});
    if ((code & 0x7c00U) != 0x7c00U) {
      ExpectSame(value, Defined(code, kFp16Format), code);
    } else if ((code & 0x3ffU) != 0) {
      EXPECT_TRUE(std::isnan(value)) << "code " << code;
    } else {
      ExpectSame(value, code == 0x7c00U ? HUGE_VAL : -HUGE_VAL, code);
    }
  }
}

TEST(Fp8E4M3, EveryCodeHasItsDefinedValue) {
  for (uint32_t code = 0; code < 0x100; ++code) {
    const float value = Fp8E4M3ToFloat(static_cast<uint8_t>(code));
    if ((code & 0x7fU) == 0x7fU) {
      EXPECT_TRUE(std::isnan(value));
    } else {
      ExpectSame(value, Defined(code, kFp8Format), code);
    }
  }
  EXPECT_EQ(Fp8E4M3ToFloat(0x7e), 448.0F);
}

TEST(Fp4E2M1, EveryCodeHasItsDefinedValue) {
  for (uint32_t code = 0; code < 0x10; ++code) {
    ExpectSame(Fp4E2M1ToFloat(static_cast<uint8_t>(code)), Defined(code, kFp4Format), code);
  }
}

TEST(E8M0, EveryCodeIsItsPowerOfTwo) {
  for (int code = 0; code < 255; ++code) {
    EXPECT_EQ(static_cast<double>(E8M0ToFloat(static_cast<uint8_t>(code))), std::ldexp(1.0, code - 127));
  }
  EXPECT_TRUE(std::isnan(E8M0ToFloat(255)));
}

TEST(Bf16, RoundTripsEveryValue) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const float value = ToFloat(Bf16{static_cast<uint16_t>(code)});
    if (std::isnan(value)) continue;
    EXPECT_EQ(ToBf16(value).bits, code);
  }
}

TEST(Fp16, RoundTripsEveryValue) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const float value = ToFloat(Fp16{static_cast<uint16_t>(code)});
    if (std::isnan(value)) continue;
    EXPECT_EQ(ToFp16(value).bits, code);
  }
}

TEST(Bf16, RoundsToNearestAndTiesToEven) {
  for (uint32_t code = 0; code < 0x7f80U; ++code) {  // the last gap lies below infinity
    const auto low = static_cast<uint16_t>(code);
    const auto high = static_cast<uint16_t>(code + 1);
    const float tie = std::bit_cast<float>((code << 16) | 0x8000U);
    const uint16_t even = (code & 1U) == 0 ? low : high;
    EXPECT_EQ(ToBf16(tie).bits, even);
    EXPECT_EQ(ToBf16(std::nextafter(tie, 0.0F)).bits, low);
    EXPECT_EQ(ToBf16(std::nextafter(tie, HUGE_VALF)).bits, high);
    EXPECT_EQ(ToBf16(-tie).bits, even | 0x8000U);
  }
}

TEST(Fp16, RoundsToNearestAndTiesToEven) {
  for (uint32_t code = 0; code < 0x7c00U; ++code) {
    const auto low = static_cast<uint16_t>(code);
    const auto high = static_cast<uint16_t>(code + 1);
    // Above the largest finite value rounding acts as if the next one existed: 65536.
    const double above = high == 0x7c00U ? 65536.0 : Defined(high, kFp16Format);
    const auto tie = static_cast<float>((Defined(low, kFp16Format) + above) / 2);
    const uint16_t even = (code & 1U) == 0 ? low : high;
    EXPECT_EQ(ToFp16(tie).bits, even) << code;
    EXPECT_EQ(ToFp16(std::nextafter(tie, 0.0F)).bits, low) << code;
    EXPECT_EQ(ToFp16(std::nextafter(tie, HUGE_VALF)).bits, high) << code;
    EXPECT_EQ(ToFp16(-tie).bits, even | 0x8000U) << code;
  }
}

TEST(Fp16, OverflowsToInfinityAndUnderflowsToZero) {
  EXPECT_EQ(ToFp16(std::numeric_limits<float>::max()).bits, 0x7c00U);
  EXPECT_EQ(ToFp16(-HUGE_VALF).bits, 0xfc00U);
  EXPECT_EQ(ToFp16(std::numeric_limits<float>::denorm_min()).bits, 0U);
  EXPECT_EQ(ToFp16(-std::numeric_limits<float>::denorm_min()).bits, 0x8000U);
}

TEST(NumberFormats, KeepNanWhateverItsPayload) {
  for (const uint32_t bits : {0x7f800001U, 0x7fc00000U, 0x7fffffffU, 0xff800001U, 0xffffffffU}) {
    const float nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(ToFloat(ToBf16(nan)))) << bits;
    EXPECT_TRUE(std::isnan(ToFloat(ToFp16(nan)))) << bits;
  }
}

}  // namespace
}  // namespace mimo
