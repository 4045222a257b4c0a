#include "text/regex_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <regex>

#include "text/grammar_testutil.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {
namespace {

std::string RegexError(std::string_view pattern) {
  const Result<GrammarPtr> grammar = GrammarFromRegex(pattern);
  return grammar ? "" : grammar.error().message;
}

bool Finds(std::string_view pattern, std::string_view text) {
  GrammarBudget budget(GrammarLimits{});
  return RegexDfa(pattern, RegexMatch::kSomewhere, &budget).value().Match(text) != 0;
}

// Every text of up to six letters against the standard library's engine.
TEST(RegexGrammar, AgreesWithAnotherEngine) {
  std::vector<std::string> texts = {""};
  for (size_t i = 0; i < texts.size() && texts[i].size() < 6; ++i) {
    for (const char c : {'a', 'b', '-'}) texts.push_back(texts[i] + c);
  }
  for (const std::string pattern : {"a*b",
                                    "(a|b)*?-",
                                    "^a",
                                    "b$",
                                    "^$",
                                    "^(ab|a)(ba)?$",
                                    "a{2,3}",
                                    "[^a]{2}",
                                    "(?=.*b)a",
                                    "^(?!a)",
                                    "^(?!.*--)[ab-]+$",
                                    "^(?=.*a)(?=.*b).{3,}$",
                                    "a(?!b)",
                                    "(^a|b$)",
                                    "((a|b)(a|-)){2}",
                                    "",
                                    "a|",
                                    "\\w-\\W?",
                                    "^[^]$",
                                    "x*",
                                    "(a*)*b"}) {
    const std::regex other(pattern, std::regex::ECMAScript);
    GrammarBudget budget(GrammarLimits{});
    const Result<ByteDfa> dfa = RegexDfa(pattern, RegexMatch::kSomewhere, &budget);
    ASSERT_TRUE(dfa) << pattern << ": " << dfa.error().message;
    for (const std::string& text : texts) {
      ASSERT_EQ(dfa->Match(text) != 0, std::regex_search(text, other)) << pattern << " on " << text;
    }
  }
}

TEST(RegexGrammar, CodePoints) {
  EXPECT_TRUE(Finds("^.$", "\xC3\xA4"));
  EXPECT_TRUE(Finds("^[\\u{1F600}-\\u{1F64F}]$", "\xF0\x9F\x98\x80"));
  EXPECT_TRUE(Finds("^\\ud83d\\ude00$", "\xF0\x9F\x98\x80"));
  EXPECT_TRUE(Finds("^\\p{L}+$", "\xC3\xA4\xE4\xB8\xAD"));
  EXPECT_FALSE(Finds("^\\p{L}+$", "1"));
  EXPECT_FALSE(Finds("^[^a]$", "\xC3"));
}

TEST(RegexGrammar, WholeTextsOnly) {
  const GrammarPtr grammar = GrammarFromRegex("[a-c]{2}").value();
  EXPECT_TRUE(IsWhole(grammar, "ab"));
  EXPECT_FALSE(IsBeginning(grammar, "abc"));
}

TEST(RegexGrammar, RefusesByName) {
  EXPECT_THAT(RegexError("(a)\\1"), testing::HasSubstr("back reference"));
  EXPECT_THAT(RegexError("(?<=a)b"), testing::HasSubstr("look-behind"));
  EXPECT_THAT(RegexError("\\bword"), testing::HasSubstr("\\b"));
  EXPECT_THAT(RegexError("(a(?!b))*c"), testing::HasSubstr("look-ahead"));
  EXPECT_THAT(RegexError("(a"), testing::HasSubstr("without its ')'"));
  EXPECT_THAT(RegexError("a^b"), testing::HasSubstr("no text matches"));
}

TEST(RegexGrammar, HostilePatternsEndInTime) {
  for (const char* pattern : {"(a|b)*a(a|b){30}", "((a{1,1000}){1,1000}){1,1000}", "(.{1,1000}b){1000}",
                              "(a?){50000}a{50000}", "[^]{99999}"}) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THAT(RegexError(pattern), testing::HasSubstr("smaller")) << pattern;
    // Nine tenths are for slow machines: the limit is a second.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)) << pattern;
  }
}

TEST(RegexGrammar, Choices) {
  const std::vector<std::string> choices = {"yes", "yes, but", "no"};
  const GrammarPtr grammar = GrammarFromChoices(choices).value();
  EXPECT_TRUE(IsWhole(grammar, "yes"));
  EXPECT_TRUE(IsWhole(grammar, "yes, but"));
  EXPECT_FALSE(IsWhole(grammar, "yes,"));
  EXPECT_FALSE(GrammarFromChoices({}));
}

}  // namespace
}  // namespace mimo
