#include "server/model_alias.h"

#include <gtest/gtest.h>

#include <string>

namespace mimo {
namespace {

TEST(MatchesPattern, KnowsStarsAndQuestionMarks) {
  EXPECT_TRUE(MatchesPattern("claude-opus-4", "claude-*"));
  EXPECT_TRUE(MatchesPattern("claude-", "claude-*"));
  EXPECT_TRUE(MatchesPattern("claude-3-haiku-2024", "*haiku*"));
  EXPECT_TRUE(MatchesPattern("aab", "*ab"));
  EXPECT_TRUE(MatchesPattern("gpt-5", "gpt-?"));
  EXPECT_TRUE(MatchesPattern("", "*"));
  EXPECT_TRUE(MatchesPattern("abcbd", "a*b*d"));
  EXPECT_FALSE(MatchesPattern("gpt-55", "gpt-?"));
  EXPECT_FALSE(MatchesPattern("claude", "claude-*"));
  EXPECT_FALSE(MatchesPattern("my-claude-x", "claude-*"));
  EXPECT_FALSE(MatchesPattern("", "?"));
  EXPECT_FALSE(MatchesPattern("abc", ""));
}

TEST(MatchesPattern, IsQuickOnManyStars) {
  const std::string text(10'000, 'a');
  EXPECT_FALSE(MatchesPattern(text, "*a*a*a*a*a*a*a*a*a*a*b"));
}

TEST(ParseAliases, ReadsDefaultsAndPutsLongerPatternsFirst) {
  const Json table = ParseJson(R"({"claude-*": {"temperature": 0.5, "thinking": true},
                                   "claude-haiku-*": {"thinking": false, "max-tokens": 100}, "fast": {}})")
                         .value();

  const std::vector<ModelAlias> aliases = ParseAliases(table).value();

  ASSERT_EQ(aliases.size(), 3U);
  EXPECT_EQ(aliases[0].name, "claude-haiku-*");
  EXPECT_EQ(aliases[0].defaults, (RequestDefaults{.max_tokens = 100, .thinking = false}));
  EXPECT_EQ(aliases[1].defaults, (RequestDefaults{.temperature = 0.5F, .thinking = true}));
  EXPECT_FALSE(aliases[2].is_pattern());
}

TEST(ParseAliases, NamesWhatIsWrong) {
  for (const char* table : {R"({"a": {"temprature": 1}})", R"({"a": {"top_p": 2}})",
                            R"({"a": {"thinking": "on"}})", R"({"a": 5})", R"({"": {}})", "[]"}) {
    const auto aliases = ParseAliases(ParseJson(table).value());
    ASSERT_FALSE(aliases.has_value()) << table;
    EXPECT_EQ(aliases.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Merge, TakesTheSecondOnlyWhereTheFirstIsOpen) {
  const RequestDefaults merged =
      Merge({.temperature = 0.5F, .thinking = false}, {.temperature = 1.0F, .top_p = 0.9F, .thinking = true});

  EXPECT_EQ(merged, (RequestDefaults{.temperature = 0.5F, .top_p = 0.9F, .thinking = false}));
}

}  // namespace
}  // namespace mimo
