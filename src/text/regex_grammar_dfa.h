#pragma once
// Internal to grammars: a regular expression's language as an automaton over UTF-8.

#include <string_view>

#include "text/grammar_dfa.h"
#include "text/regex_grammar_syntax.h"

namespace mimo {

enum class RegexMatch {
  kWhole,     // the whole text
  kSomewhere  // any part of it, as JSON Schema's `pattern`
};
Result<ByteDfa> RegexDfa(std::string_view pattern, RegexMatch match, GrammarBudget* budget);
// Requires: no kRule in `root`.
Result<ByteDfa> RegexDfa(const RegexNode& root, RegexMatch match, GrammarBudget* budget);

// The same for our own patterns, compiled once per program: they cannot fail.
ByteDfa ConstantRegexDfa(std::string_view pattern);

}  // namespace mimo
