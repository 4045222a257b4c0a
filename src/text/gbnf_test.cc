#include "text/gbnf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/grammar_testutil.h"

namespace mimo {
namespace {

GrammarPtr Gbnf(std::string_view source) {
  Result<GrammarPtr> grammar = GrammarFromGbnf(source);
  if (!grammar) fmt::print(stderr, "{}\n", grammar.error().message);
  MIMO_CHECK(grammar);
  return *grammar;
}

std::string GbnfError(std::string_view source) {
  const Result<GrammarPtr> grammar = GrammarFromGbnf(source);
  return grammar ? "" : grammar.error().message;
}

TEST(Gbnf, Arithmetic) {
  const GrammarPtr grammar = Gbnf(R"gbnf(# sums
root  ::= term ("+" term)*   # no left recursion
term  ::= [0-9]+ | "(" root ")")gbnf");
  EXPECT_TRUE(IsWhole(grammar, "1+(23+4)+5"));
  EXPECT_FALSE(IsWhole(grammar, "1+(23+4"));
  EXPECT_FALSE(IsBeginning(grammar, "1+)"));
  EXPECT_TRUE(IsWhole(grammar, std::string(40, '(') + "1" + std::string(40, ')')));
}

TEST(Gbnf, Notation) {
  const GrammarPtr grammar =
      Gbnf("root ::= (\"a\\n\" |\n  [^\\n\\x41-C]{2,3}) . last?\nlast ::= \"\\u00e4\"");
  EXPECT_TRUE(IsWhole(grammar, "a\nx"));
  EXPECT_TRUE(IsWhole(grammar, "xyz\xC3\xA4"));
  EXPECT_FALSE(IsWhole(grammar, "xBz"));
  EXPECT_TRUE(IsWhole(Gbnf("root ::= x* \"b\"\nx ::= \"a\"? "), "aaab"));
}

// Tokens that begin in one terminal and go on in the next ones.
TEST(Gbnf, MasksAgreeWithBytes) {
  const GrammarPtr grammar = Gbnf(R"gbnf(root ::= (line "\n")+
line ::= name " = " sum | "# " [^\n]*
name ::= [a-z] [a-z0-9_]*
sum ::= term (" " [-+*/] " " term)*
term ::= [0-9]+ | name | "(" sum ")")gbnf");
  const GrammarVocabulary& vocabulary = BuiltinGrammarVocabulary();
  GrammarMatcher matcher(grammar, &vocabulary);
  TokenBitmask mask(vocabulary.vocab_size());
  for (const char c : std::string_view("# a\nab = 1 * (ab + 2)\n")) {
    ASSERT_TRUE(matcher.FillMask(&mask));
    for (TokenId token = 0; token < vocabulary.vocab_size(); token += 1 + token / 300) {
      GrammarMatcher copy = matcher;
      ASSERT_EQ(mask.Test(token), copy.AcceptToken(token)) << vocabulary.TokenBytes(token);
    }
    ASSERT_TRUE(matcher.AcceptBytes({&c, 1}));
  }
}

TEST(Gbnf, Errors) {
  EXPECT_THAT(GbnfError("root ::= \"a\"\n\nroot ::= b"), testing::HasSubstr("line 3"));
  EXPECT_THAT(GbnfError("root ::= a"), testing::HasSubstr("'a' is not defined"));
  EXPECT_THAT(GbnfError("a ::= \"x\""), testing::HasSubstr("no rule 'root'"));
  EXPECT_THAT(GbnfError("root ::= root \"a\" | \"b\""), testing::HasSubstr("left-recursive"));
  EXPECT_THAT(GbnfError("root ::= x root | \"b\"\nx ::= \"a\"*"), testing::HasSubstr("left-recursive"));
  EXPECT_THAT(GbnfError("root ::= \"a\" root"), testing::HasSubstr("nothing satisfies"));
  EXPECT_THAT(GbnfError("root ::= (\"a\""), testing::HasSubstr("without its ')'"));
  EXPECT_THAT(GbnfError("root ::= ([a-z]{1,9999}){9999}"), testing::HasSubstr("smaller"));
}

}  // namespace
}  // namespace mimo
