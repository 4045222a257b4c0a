#include "engine/softmax.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/sampler_testutil.h"

namespace mimo {
namespace {

TEST(SoftmaxWeight, IsTheExponentialToFloatAccuracy) {
  EXPECT_EQ(SoftmaxWeight(3, 3, 1), kWeightOne);
  for (float x = 0; x > -30; x -= 0.0137F) {
    const double exact = std::exp(static_cast<double>(x)) * static_cast<double>(kWeightOne);
    // Two units in the last place of a float, and half a unit of the fixed-point number.
    EXPECT_NEAR(static_cast<double>(SoftmaxWeight(x, 0, 1)), exact, exact * 0x1p-22 + 0.5) << x;
  }
  EXPECT_EQ(SoftmaxWeight(-1e30F, 1e30F, 1e10F), 0U);
}

TEST(SoftmaxWeights, AgreesWithTheSingleWeightInEveryPlace) {
  const std::vector<float> logits = RandomLogits(1003, 2);
  const LargestLogit largest = FindLargestLogit(logits).value();
  std::vector<uint64_t> weights(logits.size());
  const uint64_t sum = SoftmaxWeights(logits, largest.logit, 0.7F, weights);
  uint64_t expected_sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    EXPECT_EQ(weights[i], SoftmaxWeight(logits[i], largest.logit, 0.7F));
    expected_sum += weights[i];
  }
  EXPECT_EQ(sum, expected_sum);
}

TEST(LogSumExp, AgreesWithDoublePrecision) {
  const std::vector<float> logits = RandomLogits(1003, 3, 20.0F);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  EXPECT_NEAR(LogSumExp(logits, FindLargestLogit(logits).value().logit), std::log(sum), 1e-6);
}

}  // namespace
}  // namespace mimo
