#include "text/regex_grammar.h"

#include "text/grammar_builder.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {

Result<GrammarPtr> GrammarFromRegex(std::string_view pattern, const GrammarLimits& limits) {
  if (pattern.size() > limits.source_bytes_max) {
    return InvalidArgument("the pattern has more than {} bytes", limits.source_bytes_max);
  }
  GrammarBudget budget(limits);
  MIMO_ASSIGN_OR_RETURN(ByteDfa dfa, RegexDfa(pattern, RegexMatch::kWhole, &budget));
  if (dfa.IsEmpty()) return InvalidArgument("no text matches the pattern '{}'", pattern.substr(0, 200));
  GrammarBuilder builder(&budget);
  return builder.Finish(builder.Terminal(std::move(dfa)));
}

}  // namespace mimo
