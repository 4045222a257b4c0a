#include "data/phrase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace mimo {
namespace {

std::set<std::string> AllTexts(std::string_view text) {
  const Result<Phrase> phrase = Phrase::Parse(text);
  if (!phrase) return {};
  std::set<std::string> texts;
  Random random(1);
  const SlotFiller filler = [](std::string_view slot, std::string& out) {
    out.append("<").append(slot).append(">");
  };
  for (int i = 0; i < 500; ++i) texts.insert(phrase->Expand(random, filler));
  return texts;
}

TEST(Phrase, ExpandsGroupsOptionsAndSlots) {
  EXPECT_THAT(
      AllTexts("(turn|switch) on [the|my] {name}"),
      testing::UnorderedElementsAre("turn on <name>", "turn on the <name>", "turn on my <name>",
                                    "switch on <name>", "switch on the <name>", "switch on my <name>"));
}

TEST(Phrase, SqueezesBlanksAndKeepsMarksAtTheirWord) {
  EXPECT_THAT(AllTexts("  is it   on [now] ?"), testing::UnorderedElementsAre("is it on now?", "is it on?"));
}

TEST(Phrase, TakesTheCharacterAfterABackslashLiterally) {
  EXPECT_THAT(AllTexts(R"(a \(b\) \| c)"), testing::ElementsAre("a (b) | c"));
}

TEST(Phrase, CountsTextsOfNestedGroups) {
  EXPECT_EQ(Phrase::Parse("(a|b|c (d|e)) [f|g] {x}")->Count(), 4 * 3);
}

TEST(Phrase, TellsWhereSlotsStand) {
  Random random(1);
  std::vector<TextRange> ranges;
  const std::string text =
      Phrase::Parse("say {x} now")
          ->Expand(
              random, [](std::string_view, std::string& out) { out += "hello"; }, &ranges);
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(text.substr(ranges[0].begin, ranges[0].end - ranges[0].begin), "hello");
}

TEST(Phrase, RefusesBracketsThatDoNotFit) {
  for (const char* text : {"(a", "a)", "[a", "a]", "{a", "a}", "{}", "a|b", "(a]", "a\\"}) {
    EXPECT_FALSE(Phrase::Parse(text)) << text;
  }
  EXPECT_FALSE(Phrase::Parse(std::string(1000, '(')));
}

TEST(Random, GivesTheSameNumbersOnEveryMachine) {
  Random random(7);
  const uint64_t first = random.Next();
  EXPECT_EQ(first, Random(7).Next());
  EXPECT_NE(first, Random(8).Next());
  // SplitMix64's published first output for the state 0, before the gamma: guards the constants.
  EXPECT_EQ(MixBits(0x9e3779b97f4a7c15u), 0xe220a8397b1dcdafu);
}

TEST(Random, DrawsInProportionToWeights) {
  WeightedChoice choice;
  choice.Add(1);
  choice.Add(0);
  choice.Add(3);
  Random random(1);
  int counts[3] = {};
  for (int i = 0; i < 4000; ++i) ++counts[choice.Draw(random)];
  EXPECT_NEAR(counts[0], 1000, 150);
  EXPECT_EQ(counts[1], 0);
}

}  // namespace
}  // namespace mimo
