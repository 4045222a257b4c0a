#include "weights/quantize_row.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/matrix_view.h"

namespace mimo {
namespace {

std::vector<float> RoundTrip(StoredType stored, WeightType type, const std::vector<float>& row) {
  std::vector<std::byte> bytes(QuantizedRowBytes(stored, row.size()));
  EXPECT_TRUE(QuantizeRow(stored, row, bytes.data()));
  MatrixView view;
  view.type = type;
  view.rows = 1;
  view.cols = static_cast<uint32_t>(row.size());
  view.data = bytes.data();
  view.row_bytes = RowBytes(type, view.cols);
  EXPECT_EQ(view.row_bytes, bytes.size());
  std::vector<float> read(row.size());
  DequantizeRow(view, 0, read.data());
  return read;
}

TEST(QuantizeRow, KeepsNumbersThatTheTypeHolds) {
  std::vector<float> row(64);
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i) - 32.0F;
  EXPECT_EQ(RoundTrip(StoredType::kF32, WeightType::kF32, row), row);
  EXPECT_EQ(RoundTrip(StoredType::kF16, WeightType::kF16, row), row);
  EXPECT_EQ(RoundTrip(StoredType::kBf16, WeightType::kBf16, row), row);
  row[0] = 127.0F;
  row[32] = -127.0F;
  EXPECT_EQ(RoundTrip(StoredType::kQ80, WeightType::kQ80, row), row);
}

TEST(QuantizeRow, Q80StaysInItsBound) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0.0F, 0.05F);
  std::vector<float> row(32 * 50);
  for (float& value : row) value = normal(random);
  const std::vector<float> read = RoundTrip(StoredType::kQ80, WeightType::kQ80, row);
  for (size_t block = 0; block < row.size(); block += 32) {
    float maximum = 0;
    for (size_t i = block; i < block + 32; ++i) maximum = std::max(maximum, std::fabs(row[i]));
    const float step = maximum / 127.0F;
    // Half a step, and the rounding of the scale.
    for (size_t i = block; i < block + 32; ++i)
      EXPECT_NEAR(read[i], row[i], step * (0.5001F + 127.0F * 0x1p-11F));
  }
}

TEST(QuantizeRow, Q80KeepsZerosAndTinyNumbersFinite) {
  std::vector<float> row(64, 0.0F);
  row[40] = 1e-42F;
  for (const float value : RoundTrip(StoredType::kQ80, WeightType::kQ80, row)) EXPECT_EQ(value, 0.0F);
}

TEST(QuantizeRow, RefusesNumbersThatTheTypeCannotHold) {
  std::vector<std::byte> bytes(128);
  std::vector<float> row(32, 1.0F);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    row[7] = bad;
    for (const StoredType type : {StoredType::kF32, StoredType::kF16, StoredType::kBf16, StoredType::kQ80})
      EXPECT_FALSE(QuantizeRow(type, row, bytes.data()));
  }
  row[7] = 1e5F;
  EXPECT_FALSE(QuantizeRow(StoredType::kF16, row, bytes.data()));
  EXPECT_TRUE(QuantizeRow(StoredType::kQ80, row, bytes.data()));
  row[7] = 1e8F;
  EXPECT_FALSE(QuantizeRow(StoredType::kQ80, row, bytes.data()));
}

}  // namespace
}  // namespace mimo
