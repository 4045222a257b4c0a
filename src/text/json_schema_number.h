#pragma once
// Internal to json_schema: sets of numbers as languages.
//
// A number is written as a plain decimal, -12.50, and a language holds every such spelling of its values or
// none. So sets of numbers can be intersected, united and complemented like any language, exactly and without
// floating point.

#include "base/json.h"
#include "text/grammar_dfa.h"

namespace mimo {

// Every number, and every integer (with its spellings "3.0", "3.00"), as plain decimals.
const ByteDfa& PlainNumberDfa();
const ByteDfa& PlainIntegerDfa();

enum class NumberBound { kAtLeast, kAbove, kAtMost, kBelow };

// Requires: `number` is a JSON number. kInvalidArgument where its exponent is out of range.
Result<ByteDfa> NumberBoundDfa(const Json& number, NumberBound bound, GrammarBudget* budget);
Result<ByteDfa> NumberEqualDfa(const Json& number, GrammarBudget* budget);
// kInvalidArgument unless 0 < number; or when it has too many significant digits.
Result<ByteDfa> NumberMultipleDfa(const Json& number, GrammarBudget* budget);

// What to write: integers without a fraction, where the set has no other number.
Result<ByteDfa> NumberTextDfa(const ByteDfa& numbers, GrammarBudget* budget);

}  // namespace mimo
