#pragma once
// Internal to grammars: threads -> the tokens that may come next.

#include "text/grammar_matcher.h"
#include "text/grammar_vocabulary.h"

namespace mimo {

// Sets the bits of all tokens that `stacks` could take from `threads`. kInvalidArgument when that takes too
// long or has too many alternatives. Leaves `stacks` as it was.
Status FillGrammarMask(const GrammarThreads& threads, GrammarVocabulary::Impl& vocabulary,
                       GrammarStacks* stacks, TokenBitmask* mask);

}  // namespace mimo
