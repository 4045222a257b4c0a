#pragma once
// Internal to json_schema: languages of strings (decoded, as UTF-8) and how JSON writes them.

#include <optional>
#include <string_view>

#include "text/grammar_program.h"

namespace mimo {

// Every string.
const ByteDfa& AnyTextDfa();
// Strings of min to max code points.
Result<ByteDfa> TextLengthDfa(uint32_t min, uint32_t max, GrammarBudget* budget);
// The strings of a `format`; null for a format that is only an annotation here.
const ByteDfa* FormatDfa(std::string_view format);

// Where JSON text stands.
enum class JsonPlace {
  kPlain,
  kInTag  // between XML tags: "</" must not occur, so a '/' behind '<' is written as "\/"
};

// How a string is written: quotes around it, the shortest escape for what needs one, nothing else escaped. So
// a text has one spelling, and equal keys are equal bytes.
Result<ByteDfa> JsonStringDfa(const ByteDfa& text, JsonPlace place, GrammarBudget* budget);

// Every JSON string with every escape that is a code point. Counts code points.
const GrammarTerminalPtr& AnyJsonString(JsonPlace place);

}  // namespace mimo
