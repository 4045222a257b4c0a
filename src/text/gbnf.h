#pragma once
// GBNF, the grammar notation of llama.cpp -> Grammar:
//
//   root  ::= "yes" | "no" reason{0,1}      # comments, groups, * + ? {m,n}, [a-z], [^\n], ., \x \u \U
//   escapes reason ::= " because " [^\n]+
//
// Starts at the rule `root`. kInvalidArgument with the line: a syntax error, a rule that is not defined, left
// recursion, or a rule that produces no finite text.

#include "text/grammar.h"

namespace mimo {

Result<GrammarPtr> GrammarFromGbnf(std::string_view source, const GrammarLimits& limits = {});

}  // namespace mimo
