#include "model/kv_elements.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/block_layouts.h"
#include "kernels/matrix_view.h"

namespace mimo {
namespace {

std::vector<std::byte> Store(KvType type, const std::vector<float>& values) {
  std::vector<std::byte> bytes(KvRowBytes(type, static_cast<uint32_t>(values.size())));
  StoreKvElements(type, values, bytes.data());
  return bytes;
}

std::vector<float> RoundTrip(KvType type, const std::vector<float>& values) {
  const std::vector<std::byte> bytes = Store(type, values);
  MatrixView matrix;
  matrix.type = WeightTypeOf(type);
  matrix.rows = 1;
  matrix.cols = static_cast<uint32_t>(values.size());
  matrix.data = bytes.data();
  matrix.row_bytes = bytes.size();
  std::vector<float> decoded(values.size());
  DequantizeRow(matrix, 0, decoded.data());
  return decoded;
}

std::vector<float> RandomValues(size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0F, 3.0F);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

float LargestOfBlock(const std::vector<float>& values, size_t index) {
  float largest = 0;
  for (size_t i = index / 32 * 32; i < index / 32 * 32 + 32; ++i) {
    largest = std::max(largest, std::fabs(values[i]));
  }
  return largest;
}

TEST(StoreKvElements, WritesBlocksOfQ80WithHalvesAwayFromZero) {
  std::vector<float> values(32, 0.0F);
  values[0] = -127.0F;  // the scale is 1
  values[1] = 2.5F;
  values[2] = -2.5F;
  values[31] = 63.4F;
  const BlockQ80 block = LoadBlock<BlockQ80>(Store(KvType::kQ80, values).data());
  EXPECT_EQ(ToFloat(block.scale), 1.0F);
  EXPECT_EQ(block.codes[0], -127);
  EXPECT_EQ(block.codes[1], 3);
  EXPECT_EQ(block.codes[2], -3);
  EXPECT_EQ(block.codes[3], 0);
  EXPECT_EQ(block.codes[31], 63);
}

TEST(StoreKvElements, WritesBlocksOfQ40WithTheLargestNumberAtTheLowestCode) {
  std::vector<float> values(32, 0.0F);
  values[0] = 8.0F;  // the scale is -1
  values[1] = -8.0F;
  values[2] = 3.4F;
  values[16] = -1.6F;
  const BlockQ40 block = LoadBlock<BlockQ40>(Store(KvType::kQ40, values).data());
  EXPECT_EQ(ToFloat(block.scale), -1.0F);
  EXPECT_EQ(block.codes[0] & 15, 0);
  EXPECT_EQ(block.codes[1] & 15, 15) << "16 does not fit";
  EXPECT_EQ(block.codes[2] & 15, 5);
  EXPECT_EQ(block.codes[0] >> 4, 10);
  EXPECT_EQ(block.codes[3], 0x88);
}

TEST(StoreKvElements, StaysInTheErrorBoundOfEachType) {
  const std::vector<float> values = RandomValues(320);
  const std::vector<float> q80 = RoundTrip(KvType::kQ80, values);
  const std::vector<float> q40 = RoundTrip(KvType::kQ40, values);
  for (size_t i = 0; i < values.size(); ++i) {
    const float largest = LargestOfBlock(values, i);
    const float scale_error = largest * 0x1p-11F;
    EXPECT_LE(std::fabs(q80[i] - values[i]), largest / 254 + scale_error);
    EXPECT_LE(std::fabs(q40[i] - values[i]), largest / 8 + scale_error);
    if (std::fabs(values[i]) < 0.9F * largest) {
      EXPECT_LE(std::fabs(q40[i] - values[i]), largest / 16 + scale_error);
    }
  }
}

TEST(StoreKvElements, ZeroStaysZero) {
  const std::vector<float> zeros(64, 0.0F);
  for (const KvType type : {KvType::kF32, KvType::kBf16, KvType::kQ80, KvType::kQ40}) {
    EXPECT_EQ(RoundTrip(type, zeros), zeros);
  }
}

TEST(StoreKvElements, NumbersTooSmallForAScaleBecomeZero) {
  std::vector<float> values(32, 0.0F);
  values[5] = 1e-40F;
  values[6] = -1e-43F;
  for (const KvType type : {KvType::kQ80, KvType::kQ40}) {
    for (const float decoded : RoundTrip(type, values)) EXPECT_EQ(decoded, 0.0F);
  }
}

TEST(StoreKvElements, ANumberThatIsNotFiniteIsNotHidden) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> values = RandomValues(64);
    values[40] = bad;
    for (const KvType type : {KvType::kF32, KvType::kBf16, KvType::kQ80, KvType::kQ40}) {
      const std::vector<float> decoded = RoundTrip(type, values);
      EXPECT_FALSE(std::isfinite(decoded[40]));
      EXPECT_TRUE(std::isfinite(decoded[0])) << "the other block";
    }
  }
}

}  // namespace
}  // namespace mimo
