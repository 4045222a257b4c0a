#include "weights/quantize_row.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/matrix_view.h"
#include "weights/stored_type.h"

namespace mimo {
namespace {

using Row = std::vector<float>;

Row Decode(StoredType type, const std::vector<std::byte>& bytes, size_t cols) {
  MatrixView view;
  view.type = WeightTypeOf(type).value();
  view.rows = 1;
  view.cols = static_cast<uint32_t>(cols);
  view.data = bytes.data();
  view.row_bytes = RowBytes(view.type, view.cols);
  EXPECT_EQ(view.row_bytes, bytes.size());
  Row read(cols);
  DequantizeRow(view, 0, read.data());
  return read;
}

Row RoundTrip(StoredType type, const Row& row, std::span<const float> importance = {}) {
  std::vector<std::byte> bytes(QuantizedRowBytes(type, row.size()));
  EXPECT_TRUE(QuantizeRow(type, row, importance, bytes.data()));
  return Decode(type, bytes, row.size());
}

// sqrt(sum w (a - b)^2 / sum w a^2)
double RelativeError(const Row& a, const Row& b, std::span<const float> weights = {}) {
  double error = 0;
  double total = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double weight = weights.empty() ? 1.0 : weights[i];
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error += weight * difference * difference;
    total += weight * static_cast<double>(a[i]) * static_cast<double>(a[i]);
  }
  return std::sqrt(error / total);
}

Row GaussianRow(size_t cols, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 0.02F);
  Row row(cols);
  for (float& value : row) value = normal(random);
  return row;
}

// Student's t with 4 degrees of freedom: what rows with outliers look like.
Row HeavyTailedRow(size_t cols, uint32_t seed) {
  std::mt19937 random(seed);
  std::student_t_distribution<float> student(4.0F);
  Row row(cols);
  for (float& value : row) value = 0.02F * student(random);
  return row;
}

Row LogNormalImportance(size_t cols, uint32_t seed) {
  std::mt19937 random(seed);
  std::lognormal_distribution<float> log_normal(0.0F, 1.2F);
  Row importance(cols);
  for (float& value : importance) value = log_normal(random);
  return importance;
}

struct BlockType {
  StoredType type;
  // Relative errors of rows of 4096 columns. What the encoders reach, and 3 % for another sample.
  double gaussian_max;
  double heavy_tailed_max;
};

constexpr BlockType kRowTypes[] = {
    {StoredType::kQ80, 0.0065, 0.0095},        {StoredType::kQ6K, 0.0171, 0.0225},
    {StoredType::kQ5K, 0.0353, 0.0430},        {StoredType::kQ4K, 0.0722, 0.0880},
    {StoredType::kQ3K, 0.1483, 0.1830},        {StoredType::kQ2K, 0.2675, 0.3000},
    {StoredType::kIq4Xs, 0.0762, 0.0940},      {StoredType::kIq4Nl, 0.0758, 0.0940},
    {StoredType::kQ51, 0.0348, 0.0430},        {StoredType::kQ50, 0.0415, 0.0590},
    {StoredType::kQ41, 0.0718, 0.0880},        {StoredType::kQ40, 0.0838, 0.1180},
    {StoredType::kMxFp4Block, 0.1145, 0.1330},
};

std::string NameOf(const ::testing::TestParamInfo<BlockType>& info) {
  return std::string(QuantizedTypeName(info.param.type));
}

class QuantizeRowTo : public ::testing::TestWithParam<BlockType> {
 protected:
  StoredType type() const { return GetParam().type; }
};
INSTANTIATE_TEST_SUITE_P(Types, QuantizeRowTo, ::testing::ValuesIn(kRowTypes), NameOf);

TEST_P(QuantizeRowTo, StaysInTheErrorOfTheTypeOnGaussianAndHeavyTailedRows) {
  const Row gaussian = GaussianRow(4096, 5);
  EXPECT_LT(RelativeError(gaussian, RoundTrip(type(), gaussian)), GetParam().gaussian_max);
  const Row heavy = HeavyTailedRow(4096, 6);
  EXPECT_LT(RelativeError(heavy, RoundTrip(type(), heavy)), GetParam().heavy_tailed_max);
}

TEST_P(QuantizeRowTo, LowersTheErrorThatTheImportanceCounts) {
  if (type() == StoredType::kQ80) GTEST_SKIP() << "takes no notice of it";
  const Row row = HeavyTailedRow(4096, 7);
  const Row importance = LogNormalImportance(4096, 8);
  const double with = RelativeError(row, RoundTrip(type(), row, importance), importance);
  const double without = RelativeError(row, RoundTrip(type(), row), importance);
  EXPECT_LT(with, type() == StoredType::kMxFp4Block ? without : 0.95 * without);
  // Only proportions count; a power of two changes no rounding.
  Row scaled = importance;
  for (float& value : scaled) value *= 0x1p-40F;
  EXPECT_EQ(RoundTrip(type(), row, scaled), RoundTrip(type(), row, importance));
  // Nothing but zeros is no preference.
  EXPECT_EQ(RoundTrip(type(), row, Row(4096, 0.0F)), RoundTrip(type(), row));
}

TEST_P(QuantizeRowTo, KeepsZerosExactly) {
  for (const float value : RoundTrip(type(), Row(512, 0.0F))) EXPECT_EQ(value, 0.0F);
}

TEST_P(QuantizeRowTo, KeepsAConstantRowNearly) {
  for (const float constant : {0.37F, -0.37F}) {
    const Row row(512, constant);
    // mxfp4 has 0.375; the others lose the rounding of a scale, or of its product with a small integer.
    const double bound = type() == StoredType::kMxFp4Block ? 0.015 : 0.002;
    EXPECT_LT(RelativeError(row, RoundTrip(type(), row)), bound) << constant;
  }
}

TEST_P(QuantizeRowTo, GivesTheSameCodesUnderAPowerOfTwo) {
  Row row = GaussianRow(512, 9);
  const auto multiply = [](Row numbers, float factor) {
    for (float& value : numbers) value *= factor;
    return numbers;
  };
  // Numbers of about 1, whose float16 scales are not subnormal.
  row = multiply(row, 64.0F);
  EXPECT_EQ(RoundTrip(type(), multiply(row, 256.0F)), multiply(RoundTrip(type(), row), 256.0F));
  // Subnormal scales cost some precision, not more.
  const Row small = multiply(row, 0x1p-8F);
  EXPECT_LT(RelativeError(small, RoundTrip(type(), small)), 1.3 * GetParam().gaussian_max);
}

TEST_P(QuantizeRowTo, MakesTinyNumbersSmallAndFinite) {
  Row row(512, 0.0F);
  row[40] = 1e-42F;
  row[300] = -1e-30F;
  for (const float value : RoundTrip(type(), row)) EXPECT_LE(std::fabs(value), 1e-29F);
}

TEST_P(QuantizeRowTo, TakesLargeNumbersUpToItsLimitAndRefusesLargerOnes) {
  Row row = GaussianRow(512, 10);
  for (float& value : row) value *= 5e5F;  // the largest is about 3.5e4
  EXPECT_LT(RelativeError(row, RoundTrip(type(), row)), 1.3 * GetParam().gaussian_max);
  row[100] = 3e38F;
  std::vector<std::byte> bytes(QuantizedRowBytes(type(), row.size()));
  EXPECT_FALSE(QuantizeRow(type(), row, {}, bytes.data()));
}

TEST_P(QuantizeRowTo, RefusesNumbersThatAreNotFinite) {
  Row row(512, 1.0F);
  std::vector<std::byte> bytes(QuantizedRowBytes(type(), row.size()));
  for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    row[300] = bad;
    EXPECT_FALSE(QuantizeRow(type(), row, {}, bytes.data()));
  }
}

// Rows whose numbers the type can express: a scale of one, and codes of which each sub-block has the
// extremes.
Row ExpressibleRow(StoredType type) {
  std::mt19937 random(11);
  Row row(512);
  const auto fill = [&](int low, int high, uint32_t sub_columns, auto sub_scale) {
    std::uniform_int_distribution<int> code(low, high);
    for (size_t i = 0; i < row.size(); ++i) {
      const size_t place = i % sub_columns;
      const int level = place == 0 ? low : place == 1 ? high : code(random);
      row[i] = static_cast<float>(level) * sub_scale(i / sub_columns);
    }
  };
  const auto one = [](size_t) { return 0.0625F; };
  // The largest integer sub-scale of the type must occur in each super-block of 256.
  const auto up_to = [](int largest, size_t per_block) {
    return [=](size_t j) { return 0.0625F * static_cast<float>(largest - static_cast<int>(j % per_block)); };
  };
  switch (type) {
    case StoredType::kQ80:
      fill(-127, 127, 32, one);
      break;
    case StoredType::kQ6K:
      fill(-32, 31, 16, up_to(127, 16));
      break;
    case StoredType::kQ3K:
      fill(-4, 3, 16, up_to(31, 16));
      break;
    case StoredType::kQ2K:
      fill(0, 3, 16, up_to(15, 15));
      break;
    case StoredType::kQ4K:
      fill(0, 15, 32, up_to(63, 8));
      break;
    case StoredType::kQ5K:
      fill(0, 31, 32, up_to(63, 8));
      break;
    case StoredType::kQ40:
      fill(-8, 7, 32, one);
      break;
    case StoredType::kQ41:
      fill(3, 18, 32, one);
      break;
    case StoredType::kQ50:
      fill(-16, 15, 32, one);
      break;
    case StoredType::kQ51:
      fill(-5, 26, 32, one);
      break;
    default:  // a table: what it decodes to
      return RoundTrip(type, GaussianRow(512, 12));
  }
  return row;
}

TEST_P(QuantizeRowTo, KeepsARowThatItCanExpressExactly) {
  const Row row = ExpressibleRow(type());
  EXPECT_EQ(RoundTrip(type(), row), row);
}

TEST(QuantizeRow, KeepsNumbersThatThePlainTypesHold) {
  Row row(64);
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i) - 32.0F;
  for (const StoredType type : {StoredType::kF32, StoredType::kF16, StoredType::kBf16}) {
    EXPECT_EQ(RoundTrip(type, row), row);
  }
  std::vector<std::byte> bytes(256);
  row[7] = 1e5F;
  EXPECT_FALSE(QuantizeRow(StoredType::kF16, row, {}, bytes.data()));
  row[7] = std::numeric_limits<float>::infinity();
  for (const StoredType type : {StoredType::kF32, StoredType::kF16, StoredType::kBf16}) {
    EXPECT_FALSE(QuantizeRow(type, row, {}, bytes.data()));
  }
}

TEST(QuantizeRow, Q80StaysInItsBound) {
  const Row row = GaussianRow(32 * 50, 5);
  const Row read = RoundTrip(StoredType::kQ80, row);
  for (size_t block = 0; block < row.size(); block += 32) {
    float maximum = 0;
    for (size_t i = block; i < block + 32; ++i) maximum = std::max(maximum, std::fabs(row[i]));
    const float step = maximum / 127.0F;
    // Half a step, and the rounding of the scale.
    for (size_t i = block; i < block + 32; ++i)
      EXPECT_NEAR(read[i], row[i], step * (0.5001F + 127.0F * 0x1p-11F));
  }
}

TEST(QuantizeRow, MxFp4KeepsEveryBlockOfAReleasedCheckpoint) {
  // Any E2M1 numbers under any scale come back, whichever scale the encoder picks.
  constexpr float kMagnitudes[] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};
  std::mt19937 random(13);
  for (int largest = 0; largest < 8; ++largest) {
    std::uniform_int_distribution<int> code(0, largest);
    Row row(512);
    for (size_t i = 0; i < row.size(); ++i) {
      const float magnitude = kMagnitudes[i % 32 == 0 ? largest : code(random)];
      const int exponent = static_cast<int>(i / 32) * 4 - 20;
      row[i] = std::ldexp(random() % 2 == 0 ? magnitude : -magnitude, exponent);
    }
    EXPECT_EQ(RoundTrip(StoredType::kMxFp4Block, row), row) << largest;
  }
}

TEST(QuantizeRow, MxFp4ReachesAlmostToTheLargestFloat) {
  Row row(32, 0.0F);
  row[3] = -2.5e38F;
  EXPECT_NEAR(RoundTrip(StoredType::kMxFp4Block, row)[3], -0x1.8p127F, 1e31F);
}

TEST(QuantizedTypes, HaveNamesAndBlocks) {
  EXPECT_EQ(QuantizedTypeFromName("q4_k"), StoredType::kQ4K);
  EXPECT_EQ(QuantizedTypeFromName("q4_K"), StoredType::kQ4K);
  EXPECT_EQ(QuantizedTypeFromName("mxfp4"), StoredType::kMxFp4Block);
  EXPECT_EQ(QuantizedTypeFromName("q4_k_m"), std::nullopt);
  EXPECT_EQ(QuantizedTypeFromName("iq2_xs"), std::nullopt);
  EXPECT_EQ(QuantizedTypeNames().substr(0, 26), "f32, f16, bf16, q8_0, q6_k");
  EXPECT_EQ(QuantizedBlockSize(StoredType::kIq4Xs), 256U);
  EXPECT_EQ(QuantizedRowBytes(StoredType::kQ5K, 512), 352U);
}

TEST(QuantizedTypes, FallBackAsInLlamaCppWhereRowsAreNotWholeBlocks) {
  EXPECT_EQ(FittingType(StoredType::kQ4K, 512), StoredType::kQ4K);
  EXPECT_EQ(FittingType(StoredType::kQ2K, 96), StoredType::kQ40);
  EXPECT_EQ(FittingType(StoredType::kQ3K, 96), StoredType::kQ40);
  EXPECT_EQ(FittingType(StoredType::kQ4K, 96), StoredType::kQ50);
  EXPECT_EQ(FittingType(StoredType::kQ5K, 96), StoredType::kQ51);
  EXPECT_EQ(FittingType(StoredType::kQ6K, 96), StoredType::kQ80);
  EXPECT_EQ(FittingType(StoredType::kIq4Xs, 96), StoredType::kIq4Nl);
  EXPECT_EQ(FittingType(StoredType::kQ4K, 100), StoredType::kF16);
  EXPECT_EQ(FittingType(StoredType::kMxFp4Block, 100), StoredType::kF16);
  EXPECT_EQ(FittingType(StoredType::kBf16, 100), StoredType::kBf16);
}

}  // namespace
}  // namespace mimo
