#pragma once
// Internal to gbnf: the rules of a source as syntax trees.

#include <string>
#include <string_view>
#include <vector>

#include "text/regex_grammar_syntax.h"

namespace mimo {

struct GbnfRule {
  std::string name;
  size_t line = 0;  // where it is defined, or first used
  bool defined = false;
  RegexNode body = {};  // refers to others by kRule
};

// Every rule that is defined or used; all are defined. kInvalidArgument names the line.
Result<std::vector<GbnfRule>> ParseGbnf(std::string_view source, size_t nesting_max);

}  // namespace mimo
