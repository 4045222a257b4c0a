#include "weights/type_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace mimo {
namespace {

using Tensors = std::vector<std::vector<TypeOption>>;

TypeOption Option(uint64_t bytes, double error) { return {StoredType::kQ4K, bytes, error}; }

struct Sum {
  uint64_t bytes = 0;
  double error = 0;
};

Sum SumOf(const Tensors& tensors, const std::vector<size_t>& chosen) {
  Sum sum;
  for (size_t t = 0; t < tensors.size(); ++t) {
    sum.bytes += tensors[t][chosen[t]].bytes;
    sum.error += tensors[t][chosen[t]].error;
  }
  return sum;
}

TEST(FitTypesIntoBudget, ReturnsNothingWhenTheSmallestTypesAreTooLarge) {
  const Tensors tensors = {{Option(10, 1), Option(20, 0)}, {Option(5, 1)}};
  EXPECT_FALSE(FitTypesIntoBudget(tensors, 14).has_value());
  EXPECT_EQ(FitTypesIntoBudget(tensors, 15), (std::vector<size_t>{0, 0}));
}

TEST(FitTypesIntoBudget, GivesBytesToTheTensorThatGainsMostFromThem) {
  const Tensors tensors = {{Option(10, 1.0), Option(20, 0.9)}, {Option(10, 1.0), Option(20, 0.5)}};
  EXPECT_EQ(FitTypesIntoBudget(tensors, 30), (std::vector<size_t>{0, 1}));
  EXPECT_EQ(FitTypesIntoBudget(tensors, 40), (std::vector<size_t>{1, 1}));
}

TEST(FitTypesIntoBudget, TakesNoOptionThatIsLargerAndNoBetter) {
  const Tensors tensors = {{Option(20, 0.5), Option(10, 0.4), Option(30, 0.4)}};
  EXPECT_EQ(FitTypesIntoBudget(tensors, 100), (std::vector<size_t>{1}));
}

TEST(FitTypesIntoBudget, SpendsWhatIsLeftOffTheHull) {
  // The middle option is above the line between the others, but the last one is too large.
  const Tensors tensors = {{Option(10, 1.0), Option(20, 0.9), Option(30, 0.1)}};
  EXPECT_EQ(FitTypesIntoBudget(tensors, 25), (std::vector<size_t>{1}));
}

TEST(FitTypesIntoBudget, IsNearTheBestOfAllCombinations) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> ratio(0.2, 0.5);
  for (int round = 0; round < 50; ++round) {
    Tensors tensors(6);
    for (std::vector<TypeOption>& options : tensors) {
      const uint64_t size = 10 + random() % 90;
      double error = 1.0;
      for (uint64_t bits = 2; bits <= 5; ++bits)
        options.push_back(Option(size * bits, error *= ratio(random)));
    }
    const Sum smallest = SumOf(tensors, std::vector<size_t>(6, 0));
    const uint64_t budget = smallest.bytes * 17 / 10;
    double best = std::numeric_limits<double>::infinity();
    for (size_t code = 0; code < 4096; ++code) {
      std::vector<size_t> chosen;
      for (size_t t = 0; t < 6; ++t) chosen.push_back(code >> (2 * t) & 3);
      const Sum sum = SumOf(tensors, chosen);
      if (sum.bytes <= budget) best = std::min(best, sum.error);
    }
    const auto chosen = FitTypesIntoBudget(tensors, budget);
    ASSERT_TRUE(chosen.has_value());
    const Sum sum = SumOf(tensors, *chosen);
    EXPECT_LE(sum.bytes, budget);
    EXPECT_LE(sum.error, 1.25 * best) << round;
  }
}

}  // namespace
}  // namespace mimo
