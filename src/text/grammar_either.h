#pragma once
// The union of two grammars: a tool call or an answer in a given form.

#include "text/grammar.h"

namespace mimo {

// What either of them allows.
GrammarPtr GrammarEither(const GrammarPtr& first, const GrammarPtr& second);

}  // namespace mimo
