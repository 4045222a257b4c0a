#pragma once
// What the tests of grammars share.

#include <memory>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "text/grammar.h"
#include "text/json_schema.h"
#include "text/tokenizer_testutil.h"

namespace mimo {

inline bool IsWhole(const GrammarPtr& grammar, std::string_view text) {
  GrammarMatcher matcher(grammar, nullptr);
  return matcher.AcceptBytes(text) && matcher.CanEnd();
}
inline bool IsBeginning(const GrammarPtr& grammar, std::string_view text) {
  return GrammarMatcher(grammar, nullptr).AcceptBytes(text);
}

inline GrammarPtr SchemaGrammar(std::string_view schema) {
  Result<GrammarPtr> grammar = GrammarFromJsonSchema(ParseJson(schema).value());
  if (!grammar) fmt::print(stderr, "{}: {}\n", schema, grammar.error().message);
  MIMO_CHECK(grammar);
  return *grammar;
}
// The message of the error; empty when there is none.
inline std::string SchemaError(std::string_view schema) {
  const Result<GrammarPtr> grammar = GrammarFromJsonSchema(ParseJson(schema).value());
  return grammar ? "" : grammar.error().message;
}

inline const GrammarVocabulary& BuiltinGrammarVocabulary() {
  static const GrammarVocabulary vocabulary(BuiltinTokenizer());
  return vocabulary;
}

}  // namespace mimo
