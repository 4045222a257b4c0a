#include "kernels/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace mimo {
namespace {

TEST(RotateHead, TurnsEachPairByItsAngleAndLeavesTheRest) {
  const std::vector<float> inverse_frequencies = RopeInverseFrequencies(10000.0F, 4);
  std::vector<float> cosines(2);
  std::vector<float> sines(2);
  RopeAngles(3, inverse_frequencies, cosines.data(), sines.data());
  std::vector<float> head = {1.0F, 0.0F, 0.0F, 1.0F, 7.0F};

  RotateHead(head.data(), cosines.data(), sines.data(), 2);

  // Pair (0, 2) turns by 3, pair (1, 3) by 3 / 100.
  EXPECT_NEAR(head[0], std::cos(3.0F), 1e-6F);
  EXPECT_NEAR(head[2], std::sin(3.0F), 1e-6F);
  EXPECT_NEAR(head[1], -std::sin(0.03F), 1e-6F);
  EXPECT_NEAR(head[3], std::cos(0.03F), 1e-6F);
  EXPECT_EQ(head[4], 7.0F);
}

TEST(RotateHead, DotProductsDependOnTheDistanceOnly) {
  const std::vector<float> inverse_frequencies = RopeInverseFrequencies(5e6F, 64);
  const auto rotated = [&](uint32_t position, float seed) {
    std::vector<float> head(64);
    for (size_t i = 0; i < head.size(); ++i) head[i] = std::sin(seed * static_cast<float>(i + 1));
    std::vector<float> cosines(32);
    std::vector<float> sines(32);
    RopeAngles(position, inverse_frequencies, cosines.data(), sines.data());
    RotateHead(head.data(), cosines.data(), sines.data(), 32);
    return head;
  };
  const auto dot = [&](uint32_t query_position, uint32_t key_position) {
    const std::vector<float> q = rotated(query_position, 0.7F);
    const std::vector<float> k = rotated(key_position, 1.3F);
    double sum = 0;
    for (size_t i = 0; i < q.size(); ++i) sum += double{q[i]} * k[i];
    return sum;
  };
  EXPECT_NEAR(dot(10, 3), dot(1010, 1003), 1e-3);
  EXPECT_NEAR(dot(5, 5), dot(4096, 4096), 1e-3);
  EXPECT_GT(std::abs(dot(10, 3) - dot(10, 4)), 1e-2);
}

TEST(RopeInverseFrequencies, FallGeometricallyFromOne) {
  const std::vector<float> frequencies = RopeInverseFrequencies(10000.0F, 64);
  EXPECT_EQ(frequencies[0], 1.0F);
  EXPECT_NEAR(frequencies[16], 0.01F, 1e-8F);
  EXPECT_NEAR(frequencies[31] * std::pow(10000.0F, 62.0F / 64.0F), 1.0F, 1e-6F);
}

}  // namespace
}  // namespace mimo
