#include "server/choice_reader.h"

#include <gtest/gtest.h>

#include <string_view>

namespace mimo {
namespace {

uint32_t CountByPieces(bool starts_in_reasoning, std::initializer_list<std::string_view> pieces) {
  ReasoningCounter counter(starts_in_reasoning);
  for (const std::string_view piece : pieces) counter.Push(piece);
  return counter.tokens();
}

TEST(ReasoningCounter, CountsUpToAndWithTheEndMarker) {
  EXPECT_EQ(CountByPieces(true, {"a", "b", "</think>", "c", "d"}), 3U);
}

TEST(ReasoningCounter, FindsAMarkerSpelledInPieces) {
  EXPECT_EQ(CountByPieces(true, {"a</", "thi", "nk>", "c"}), 3U);
}

TEST(ReasoningCounter, CountsABlockThatTheModelOpensItself) {
  EXPECT_EQ(CountByPieces(false, {"\n", "<think>", "a", "</think>", "c"}), 4U);
  EXPECT_EQ(CountByPieces(false, {"<th", "ink>a", "</think>", "c"}), 3U);
}

TEST(ReasoningCounter, MarkersWithinTheAnswerAreText) {
  EXPECT_EQ(CountByPieces(false, {"x", "<think>", "a", "</think>"}), 0U);
  EXPECT_EQ(CountByPieces(true, {"a", "</think>", "<think>", "b", "</think>"}), 2U);
}

TEST(ReasoningCounter, CountsEverythingWhenTheBlockNeverEnds) {
  EXPECT_EQ(CountByPieces(true, {"a", "b", "c"}), 3U);
  EXPECT_EQ(CountByPieces(true, {}), 0U);
}

}  // namespace
}  // namespace mimo
