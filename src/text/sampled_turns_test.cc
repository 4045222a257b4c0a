#include "text/sampled_turns.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

TEST(SampledTurns, KnowsATurnOnlyInItsConversation) {
  SampledTurns turns(1 << 20);
  turns.Remember({1, "a turn", {7, 8}});
  EXPECT_EQ(turns.Find(1, "a turn"), (std::vector<TokenId>{7, 8}));
  EXPECT_TRUE(turns.Find(2, "a turn").empty());
  EXPECT_TRUE(turns.Find(1, "another turn").empty());
  turns.Remember({1, "a turn", {9}});
  EXPECT_EQ(turns.Find(1, "a turn"), std::vector<TokenId>{9});
}

TEST(SampledTurns, ForgetsWhatWasNotUsedForLongest) {
  SampledTurns turns(3000);
  for (TokenId i = 0; i < 100; ++i) {
    turns.Remember({i, std::string(400, 'x'), {i}});
    EXPECT_FALSE(turns.Find(0, std::string(400, 'x')).empty());
    EXPECT_LE(turns.bytes(), 3000U);
  }
  EXPECT_FALSE(turns.Find(99, std::string(400, 'x')).empty());
  EXPECT_TRUE(turns.Find(50, std::string(400, 'x')).empty());
  turns.Remember({1000, std::string(4000, 'x'), {1}});
  EXPECT_TRUE(turns.Find(1000, std::string(4000, 'x')).empty()) << "it would push out everything else";
}

TEST(SampledTurns, GivesThoseThatWereUsedLast) {
  SampledTurns turns(1 << 20);
  for (TokenId i = 0; i < 10; ++i) turns.Remember({i, "a turn", {i}});
  EXPECT_FALSE(turns.Find(3, "a turn").empty());
  const std::vector<SampledTurn> newest = turns.Newest(turns.bytes() / 5);
  ASSERT_EQ(newest.size(), 2U);
  EXPECT_EQ(newest[0].before, 3U);
  EXPECT_EQ(newest[1].before, 9U);
  EXPECT_EQ(newest[1].tokens, std::vector<TokenId>{9});
  EXPECT_EQ(turns.Newest(turns.bytes()).size(), 10U);
}

TEST(TextHash, DependsOnTheTextAlone) {
  TextHash whole;
  whole.Append("conversation");
  TextHash parts;
  parts.Append("conver");
  parts.Append("sation");
  EXPECT_EQ(whole.value(), parts.value());
  parts.Append(" ");
  EXPECT_NE(whole.value(), parts.value());
}

}  // namespace
}  // namespace mimo
