#pragma once
// Regular expressions in ECMAScript's notation -> Grammar. The whole text must match.
//
// Not regular or not supported, and refused by name: back references, look-behind, \b, flags, and look-ahead
// anywhere but at the top level of an alternative.

#include "text/grammar.h"

namespace mimo {

Result<GrammarPtr> GrammarFromRegex(std::string_view pattern, const GrammarLimits& limits = {});

}  // namespace mimo
