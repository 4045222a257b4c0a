#include "server/repeated_tokens.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

TEST(RepeatedTokens, CountsTheLongestKnownBeginning) {
  RepeatedTokens repeated;
  const std::vector<TokenId> first = {1, 2, 3, 4};
  const std::vector<TokenId> second = {1, 2, 7};
  EXPECT_EQ(repeated.Count(first), 0U);
  repeated.Add(first);
  EXPECT_EQ(repeated.Count(first), 4U);
  EXPECT_EQ(repeated.Count(second), 2U);
  repeated.Add(second);
  EXPECT_EQ(repeated.Count(std::vector<TokenId>{1, 2, 7, 4}), 3U);
  EXPECT_EQ(repeated.Count(std::vector<TokenId>{2, 3}), 0U);
  EXPECT_EQ(repeated.Count({}), 0U);
}

}  // namespace
}  // namespace mimo
