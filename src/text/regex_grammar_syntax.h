#pragma once
// Internal to regex_grammar: the syntax tree of a regular expression.

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace mimo {

using CodePointRanges = std::vector<std::pair<uint32_t, uint32_t>>;  // inclusive; sorted and disjoint

struct RegexNode {
  enum class Kind {
    kClass,        // one code point of `ranges`
    kConcat,       // children in order; none = empty text
    kAlternation,  // one of the children
    kRepeat,       // children[0], repeat_min to repeat_max times
    kBegin,        // ^
    kEnd,          // $
    kLookahead,    // (?=children[0]), or (?!...) when `negated`
    kRule,         // another expression, number `rule`; only in GBNF
  };
  static constexpr uint32_t kNoMax = 0xFFFFFFFF;

  Kind kind = Kind::kConcat;
  std::vector<RegexNode> children = {};
  CodePointRanges ranges = {};
  uint32_t repeat_min = 0;
  uint32_t repeat_max = kNoMax;
  bool negated = false;
  uint32_t rule = 0;
};

// ECMAScript's notation with the u flag, and Annex B's leniency about braces. Lazy quantifiers have the same
// language as greedy ones. kInvalidArgument names what is wrong or not supported, and the byte where.
Result<RegexNode> ParseRegex(std::string_view pattern, size_t nesting_max);

}  // namespace mimo
