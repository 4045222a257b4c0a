#include "base/check.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

TEST(CheckDeathTest, NamesTheConditionAndItsPlace) {
  const int answer = 41;
  EXPECT_DEATH(MIMO_CHECK(answer == 42), "mimo: bug: .*check_test.cc:[0-9]+: check failed: answer == 42");
}

TEST(Check, EvaluatesItsConditionOnce) {
  int evaluations = 0;
  MIMO_CHECK(++evaluations == 1);
  EXPECT_EQ(evaluations, 1);
}

}  // namespace
}  // namespace mimo
