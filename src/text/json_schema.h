#pragma once
// JSON Schema (draft 2020-12) -> Grammar. Every instance that the schema allows can be written, in at least
// one spelling, and no other can be completed.
//
// What is supported, how text is spelled (white space, escapes, numbers) and what is refused stands in
// docs/decisions/0015-structured-output.md. A keyword that constrains values and is not supported is
// kInvalidArgument with its name and its JSON pointer; annotations are ignored.

#include "base/json.h"
#include "text/grammar.h"

namespace mimo {

// kInvalidArgument: not a schema, unsupported keyword, a schema that no value satisfies, a limit exceeded.
Result<GrammarPtr> GrammarFromJsonSchema(const Json& schema, const GrammarLimits& limits = {});

// Any JSON object: OpenAI's response_format json_object.
Result<GrammarPtr> GrammarForAnyJsonObject(const GrammarLimits& limits = {});

}  // namespace mimo
