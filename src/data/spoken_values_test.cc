#include "data/spoken_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace mimo {
namespace {

template <typename Say>
std::set<std::string> AllTexts(const Say& say) {
  Random random(1);
  std::set<std::string> texts;
  for (int i = 0; i < 2000; ++i) texts.insert(say(random));
  return texts;
}

TEST(SpokenValues, SaysNumbersAsDigitsAndWords) {
  const LanguagePack pack = *LoadBuiltinLanguage("en");
  const SpokenValues values(pack);
  const auto texts = AllTexts([&](Random& random) { return values.Percent(random, 42); });
  EXPECT_THAT(texts, testing::IsSupersetOf({"42%", "42 percent", "forty-two percent"}));
  EXPECT_THAT(texts, testing::Not(testing::Contains("forty-two%")));
}

TEST(SpokenValues, SaysHalvesOfHoursAndMinutes) {
  const LanguagePack pack = *LoadBuiltinLanguage("en");
  const SpokenValues values(pack);
  EXPECT_THAT(AllTexts([&](Random& random) {
                return values.Duration(random, {0, 30, 0});
              }),
              testing::IsSupersetOf({"half an hour", "30 minutes"}));
  EXPECT_THAT(AllTexts([&](Random& random) {
                return values.Duration(random, {1, 30, 0});
              }),
              testing::Contains("one and a half hours"));
  EXPECT_THAT(AllTexts([&](Random& random) {
                return values.Duration(random, {1, 0, 30});
              }),
              testing::Contains("1 hour and 30 seconds"));
}

TEST(SpokenValues, GivesDegreesAsIntegersWhereTheyAre) {
  EXPECT_EQ(DegreesArgument(200), Json(20));
  EXPECT_EQ(DegreesArgument(205), Json(20.5));
}

TEST(SpokenValues, SaysTenthsOfDegreesInDigitsAndWords) {
  const LanguagePack pack = *LoadBuiltinLanguage("en");
  const SpokenValues values(pack);
  EXPECT_THAT(AllTexts([&](Random& random) { return values.Degrees(random, 205); }),
              testing::IsSupersetOf({"20.5 degrees", "twenty point five degrees", "20 and a half degrees"}));
  EXPECT_THAT(AllTexts([&](Random& random) { return values.Degrees(random, 213); }),
              testing::IsSupersetOf({"21.3", "twenty-one point three"}));
}

TEST(SpokenValues, CountsMinutesInFivesWhereALanguageDoes) {
  const LanguagePack pack = *LoadBuiltinLanguage("zh-Hant");
  const SpokenValues values(pack);
  const auto texts = [&](const SpokenDuration& duration) {
    return AllTexts([&](Random& random) { return values.Duration(random, duration); });
  };
  EXPECT_THAT(texts({0, 45, 0}), testing::IsSupersetOf({"9個字", "九個字", "45分鐘"}));
  EXPECT_THAT(texts({0, 46, 0}), testing::Each(testing::Not(testing::HasSubstr("字"))));
  EXPECT_THAT(texts({1, 45, 0}), testing::Each(testing::Not(testing::HasSubstr("字"))));
}

TEST(SpokenValues, TellsATimersLengthInTheUnitsThatAddUpToIt) {
  for (const uint32_t seconds : {1u, 45u, 60u, 90u, 120u, 3600u, 5340u, 5400u, 9000u, 9001u}) {
    const SpokenDuration duration = DurationOf(seconds);
    EXPECT_EQ(duration.hours * 3600 + duration.minutes * 60 + duration.seconds, seconds);
  }
}

TEST(DrawDuration, GivesEveryUnitAndNeverNothing) {
  Random random(3);
  std::set<uint32_t> minutes;
  for (int i = 0; i < 10000; ++i) {
    const SpokenDuration duration = DrawDuration(random);
    EXPECT_GT(duration.hours + duration.minutes + duration.seconds, 0u);
    minutes.insert(duration.minutes);
  }
  EXPECT_EQ(minutes.size(), 91u);
}

}  // namespace
}  // namespace mimo
