// Products in bfloat16: every variant that has them against the plain twin, to the bit, whatever the number
// of tokens and the range of rows; and the twin against exact arithmetic, within the bound that rounding the
// input to bfloat16 allows.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/bf16_matmul_ref.h"
#include "kernels/kernels_testutil.h"

namespace mimo {
namespace {

constexpr WeightType kTypes[] = {WeightType::kBf16, WeightType::kFp8E4M3};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<const Kernels*> Bf16Kernels(WeightType type) {
  std::vector<const Kernels*> kernels;
  for (const Kernels* candidate : SupportedKernels()) {
    if (candidate->row_form({.type = type}) == RowForm::kBf16) kernels.push_back(candidate);
  }
  return kernels;
}

struct RowRange {
  uint32_t begin;
  uint32_t end;
};

// [tokens, range]. By the plain twin if `kernels` is null. A place that nothing is written to stays 77.
std::vector<float> Multiply(const Kernels* kernels, const MatrixView& weights,
                            std::span<const QuantizedRow> x, RowRange range) {
  AlignedBytes panel(PanelScratchBytes(weights.cols));
  std::vector<float> y(x.size() * (range.end - range.begin), 77.0F);
  const MatMulArgs args = {.weights = &weights,
                           .quantized_rows = x.data(),
                           .panel_scratch = panel.data(),
                           .num_tokens = static_cast<uint32_t>(x.size()),
                           .row_begin = range.begin,
                           .row_end = range.end,
                           .out = y.data(),
                           .out_stride = range.end - range.begin};
  kernels == nullptr ? Bf16MatMulReference(args) : kernels->matmul(args);
  return y;
}

// NaN equals NaN here.
void ExpectSameNumbers(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(actual[i])) << i;
    } else {
      EXPECT_EQ(actual[i], expected[i]) << i;
    }
  }
}

void ExpectTwinBits(WeightType type, uint32_t rows, uint32_t cols, uint32_t num_tokens,
                    std::mt19937_64& random) {
  const RandomMatrix matrix(type, rows, cols, random);
  const std::vector<float> values = RandomFloats(size_t{num_tokens} * cols, random);
  for (const Kernels* kernels : Bf16Kernels(type)) {
    const QuantizedRows x(values, num_tokens, RowForm::kBf16, kernels);
    EXPECT_EQ(Multiply(kernels, matrix.view(), x.rows(), {0, rows}),
              Multiply(nullptr, matrix.view(), x.rows(), {0, rows}))
        << kernels->name << " " << WeightTypeName(type) << " [" << rows << ", " << cols << "] x "
        << num_tokens;
  }
}

TEST(Bf16MatMul, HasThePlainTwinsBitsInEveryShape) {
  std::mt19937_64 random(1);
  for (const WeightType type : kTypes) {
    for (const uint32_t cols :
         {1U, 31U, 32U, 33U, 64U, 95U, 127U, 128U, 129U, 192U, 193U, 256U, 289U, 321U}) {
      for (uint32_t num_tokens = 1; num_tokens <= 14; ++num_tokens) {
        for (const uint32_t rows : {1U, 3U, 4U, 6U}) ExpectTwinBits(type, rows, cols, num_tokens, random);
      }
    }
  }
}

// Several chunks of FP8 scales, and more tokens than stay in the cache together.
TEST(Bf16MatMul, HasThePlainTwinsBitsInLargeRandomShapes) {
  std::mt19937_64 random(2);
  for (const WeightType type : kTypes) {
    for (int i = 0; i < 4; ++i) {
      const auto rows = static_cast<uint32_t>(200 + random() % 200);
      const auto cols = static_cast<uint32_t>(1 + random() % 700);
      ExpectTwinBits(type, rows, cols, static_cast<uint32_t>(1 + random() % 9), random);
    }
    ExpectTwinBits(type, 5, 4100, 70, random);
  }
}

TEST(Bf16MatMul, GivesATokenTheSameBitsAloneAndForAnyRangeOfRows) {
  constexpr uint32_t kRows = 270;
  constexpr uint32_t kTokens = 11;
  std::mt19937_64 random(3);
  for (const WeightType type : kTypes) {
    const RandomMatrix matrix(type, kRows, 333, random);
    const std::vector<float> values = RandomFloats(size_t{kTokens} * 333, random);
    for (const Kernels* kernels : Bf16Kernels(type)) {
      const QuantizedRows x(values, kTokens, RowForm::kBf16, kernels);
      const std::vector<float> whole = Multiply(kernels, matrix.view(), x.rows(), {0, kRows});
      for (int i = 0; i < 20; ++i) {
        const auto begin = static_cast<uint32_t>(random() % kRows);
        const auto end = begin + 1 + static_cast<uint32_t>(random() % (kRows - begin));
        const size_t first = random() % kTokens;
        const size_t count = 1 + random() % (kTokens - first);
        const std::vector<float> part =
            Multiply(kernels, matrix.view(), std::span(x.rows()).subspan(first, count), {begin, end});
        for (size_t t = 0; t < count; ++t) {
          for (uint32_t r = begin; r < end; ++r) {
            ASSERT_EQ(part[t * (end - begin) + r - begin], whole[(first + t) * kRows + r]) << kernels->name;
          }
        }
      }
    }
  }
}

TEST(Bf16MatMul, ReadsEveryFp8CodeExactly) {
  constexpr uint32_t kCodes = 256;
  const float scale = 0.75F;
  std::vector<std::byte> codes(kCodes);
  for (uint32_t code = 0; code < kCodes; ++code) codes[code] = static_cast<std::byte>(code);
  std::vector<float> scales(kCodes / kFp8BlockSize, scale);
  const MatrixView weights = {.type = WeightType::kFp8E4M3,
                              .rows = kCodes,
                              .cols = 1,
                              .data = codes.data(),
                              .row_bytes = 1,
                              .scales = reinterpret_cast<const std::byte*>(scales.data()),
                              .rows_per_chunk = kCodes};
  std::vector<float> expected(kCodes);
  for (uint32_t code = 0; code < kCodes; ++code) {
    expected[code] = Fp8E4M3ToFloat(static_cast<uint8_t>(code)) * scale;
  }
  const QuantizedRows one({1.0F}, 1, RowForm::kBf16, nullptr);
  const QuantizedRows five({1.0F, 1.0F, 1.0F, 1.0F, 1.0F}, 5, RowForm::kBf16, nullptr);
  ExpectSameNumbers(Multiply(nullptr, weights, one.rows(), {0, kCodes}), expected);
  for (const Kernels* kernels : Bf16Kernels(WeightType::kFp8E4M3)) {
    ExpectSameNumbers(Multiply(kernels, weights, one.rows(), {0, kCodes}), expected);
    std::vector<float> many = Multiply(kernels, weights, five.rows(), {0, kCodes});
    many.erase(many.begin(), many.begin() + 4 * kCodes);
    ExpectSameNumbers(many, expected);
  }
}

TEST(Bf16MatMul, PassesOnNanAndInfinity) {
  constexpr uint32_t kCols = 150;
  std::mt19937_64 random(4);
  for (const WeightType type : kTypes) {
    const RandomMatrix matrix(type, 6, kCols, random);
    std::vector<float> values = RandomFloats(size_t{7} * kCols, random);
    values[20] = kNan;
    values[kCols + 140] = kInfinity;
    values[2 * kCols + 3] = -kInfinity;
    values[2 * kCols + 5] = 3.4e38F;  // rounds to infinity
    for (const Kernels* kernels : Bf16Kernels(type)) {
      for (const size_t num_tokens : {3U, 7U}) {
        const QuantizedRows x(values, 7, RowForm::kBf16, kernels);
        const auto rows = std::span(x.rows()).first(num_tokens);
        const std::vector<float> y = Multiply(kernels, matrix.view(), rows, {0, 6});
        ExpectSameNumbers(y, Multiply(nullptr, matrix.view(), rows, {0, 6}));
        for (size_t r = 0; r < 6; ++r) {
          EXPECT_TRUE(std::isnan(y[r]));
          EXPECT_FALSE(std::isfinite(y[6 + r]));
        }
      }
    }
  }
}

TEST(Bf16MatMul, TakesSubnormalNumbersForZeroAsThePlainTwinDoes) {
  constexpr uint32_t kCols = 96;
  std::vector<Bf16> w(kCols);
  std::vector<float> values(kCols);
  std::mt19937_64 random(5);
  for (int i = 0; i < 200; ++i) {
    // Magnitudes from 2^-132 to 2^-120 times 2^-6 to 2^6.
    for (Bf16& weight : w) weight = ToBf16(std::ldexp(1.5F, -132 + static_cast<int>(random() % 12)));
    for (float& value : values) {
      value = std::ldexp(random() % 2 == 0 ? 1.25F : -1.0F, -6 + static_cast<int>(random() % 12));
    }
    const MatrixView weights = {.type = WeightType::kBf16,
                                .rows = 1,
                                .cols = kCols,
                                .data = reinterpret_cast<const std::byte*>(w.data()),
                                .row_bytes = kCols * sizeof(Bf16)};
    for (const Kernels* kernels : Bf16Kernels(WeightType::kBf16)) {
      const QuantizedRows x(values, 1, RowForm::kBf16, kernels);
      ASSERT_EQ(Multiply(kernels, weights, x.rows(), {0, 1}), Multiply(nullptr, weights, x.rows(), {0, 1}));
    }
  }
}

// Rounding an input moves its product by 2^-9 of it at most. A float32 sum of n terms adds n * 2^-23 of their
// magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
TEST(Bf16MatMul, IsOffByWhatRoundingTheInputAllows) {
  constexpr uint32_t kCols = 1000;
  std::mt19937_64 random(6);
  for (const WeightType type : kTypes) {
    const RandomMatrix matrix(type, 9, kCols, random);
    const std::vector<float> values = RandomFloats(kCols, random);
    const QuantizedRows x(values, 1, RowForm::kBf16, nullptr);
    const std::vector<float> y = Multiply(nullptr, matrix.view(), x.rows(), {0, 9});
    for (uint32_t row = 0; row < 9; ++row) {
      std::vector<float> w(kCols);
      DequantizeRow(matrix.view(), row, w.data());
      double exact = 0;
      double magnitude = 0;
      for (uint32_t c = 0; c < kCols; ++c) {
        exact += double{w[c]} * values[c];
        magnitude += std::abs(double{w[c]} * values[c]);
      }
      EXPECT_NEAR(y[row], exact, (0x1p-9 + kCols * 0x1p-23) * magnitude) << WeightTypeName(type);
      EXPECT_NE(y[row], 0.0F);
    }
  }
}

TEST(QuantizeRow, RoundsToBfloat16AsThePlainTwinDoes) {
  std::mt19937_64 random(7);
  for (const uint32_t cols : {1U, 16U, 31U, 32U, 33U, 127U, 128U, 200U}) {
    std::vector<float> values = RandomFloats(cols, random);
    const float special[] = {kNan,  -kInfinity, 3.4e38F,      0x1.01p0F, 0x1.03p0F,
                             -0.0F, 0x1p-130F,  -0x1.fp-127F, 0x1p-126F, 0x1.0101p0F};
    for (size_t i = 0; i < std::min<size_t>(cols, std::size(special)); ++i) values[i] = special[i];
    const QuantizedRows expected(values, 1, RowForm::kBf16, nullptr);
    for (const Kernels* kernels : Bf16Kernels(WeightType::kBf16)) {
      const QuantizedRows actual(values, 1, RowForm::kBf16, kernels);
      EXPECT_EQ(
          std::memcmp(actual.rows()[0].bf16, expected.rows()[0].bf16, Bf16RowColumns(cols) * sizeof(Bf16)), 0)
          << kernels->name << " " << cols;
    }
    if (cols < std::size(special)) continue;
    const Bf16* const rounded = expected.rows()[0].bf16;
    EXPECT_TRUE(std::isnan(ToFloat(rounded[0])));
    EXPECT_EQ(ToFloat(rounded[2]), kInfinity);
    EXPECT_EQ(ToFloat(rounded[3]), 1.0F) << "a tie, to even";
    EXPECT_EQ(ToFloat(rounded[4]), 0x1.04p0F) << "a tie, to even";
    EXPECT_EQ(ToFloat(rounded[6]), 0.0F);
    EXPECT_EQ(ToFloat(rounded[9]), 0x1.02p0F);
    for (uint32_t c = cols; c < Bf16RowColumns(cols); ++c) EXPECT_EQ(rounded[c].bits, 0);
  }
}

}  // namespace
}  // namespace mimo
