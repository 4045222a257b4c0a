#include "kernels/router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace mimo {
namespace {

float Sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

TEST(SelectExperts, AgreesWithAFullSortOnRandomScores) {
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 200; ++round) {
    const auto experts = static_cast<uint32_t>(1 + random() % 64);
    const auto k = static_cast<uint32_t>(1 + random() % experts);
    std::vector<float> logits(experts);
    std::vector<float> bias(experts);
    for (float& value : logits) value = normal(random);
    // Few different values, so that ties occur.
    for (float& value : bias) value = static_cast<float>(random() % 3);
    if (round % 2 == 0) std::fill(logits.begin(), logits.end(), 0.5F);

    std::vector<uint32_t> order(experts);
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return Sigmoid(logits[a]) + bias[a] > Sigmoid(logits[b]) + bias[b];
    });
    std::vector<uint32_t> expected(order.begin(), order.begin() + k);
    std::sort(expected.begin(), expected.end());
    float sum = 0;
    for (const uint32_t expert : expected) sum += Sigmoid(logits[expert]);

    std::vector<float> scores = logits;
    std::vector<uint32_t> chosen(k);
    std::vector<float> weights(k);
    SelectExperts(scores, bias, {.num_experts_per_tok = k, .routed_scaling_factor = 2.5F}, chosen, weights);

    ASSERT_EQ(chosen, expected);
    for (uint32_t i = 0; i < k; ++i) EXPECT_NEAR(weights[i], 2.5F * Sigmoid(logits[chosen[i]]) / sum, 1e-5F);
  }
}

TEST(SelectExperts, PutsExpertsWithoutAScoreLast) {
  std::vector<float> logits = {std::nanf(""), 1.0F, std::nanf(""), 2.0F};
  const std::vector<float> bias(4, 0.0F);
  std::vector<uint32_t> chosen(2);
  std::vector<float> weights(2);
  SelectExperts(logits, bias, {.num_experts_per_tok = 2}, chosen, weights);
  EXPECT_EQ(chosen, (std::vector<uint32_t>{1, 3}));
}

}  // namespace
}  // namespace mimo
