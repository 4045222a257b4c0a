#include "text/grammar_either.h"

#include <gtest/gtest.h>

#include <string>

#include "text/json_schema.h"
#include "text/regex_grammar.h"

namespace mimo {
namespace {

bool Matches(const GrammarPtr& grammar, std::string_view text) {
  GrammarMatcher matcher(grammar, nullptr);
  return matcher.AcceptBytes(text) && matcher.CanEnd();
}

TEST(GrammarEither, TakesWhatOneOfTheTwoTakes) {
  const Json schema =
      ParseJson(R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}}},
                                    "required":["a"],"additionalProperties":false})")
          .value();
  const GrammarPtr json = GrammarFromJsonSchema(schema).value();
  const GrammarPtr word = GrammarFromRegex("<call>[a-z]+").value();

  for (const GrammarPtr& either : {GrammarEither(json, word), GrammarEither(word, json)}) {
    EXPECT_TRUE(Matches(either, R"({"a":[1,2]})"));
    EXPECT_TRUE(Matches(either, "<call>f"));
    EXPECT_FALSE(Matches(either, R"({"a":["x"]})"));
    EXPECT_FALSE(Matches(either, "<call>7"));
    EXPECT_FALSE(Matches(either, R"({"a":[1]}<call>f)"));
    EXPECT_FALSE(Matches(either, ""));
  }
}

}  // namespace
}  // namespace mimo
