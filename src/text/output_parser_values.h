#pragma once
// Internal to OutputParser: what JSON type a parameter's text becomes.

#include <cstdint>
#include <string>
#include <string_view>

#include "text/chat_message.h"

namespace mimo {

// The JSON types that a parameter's schema admits.
struct ArgumentTypes {
  bool string = false;
  bool null = false;
  bool boolean = false;
  bool number = false;  // integers too
  bool list = false;
  bool object = false;

  // The text can be passed on as it arrives, except that a nullable one may still turn out to be null.
  bool IsText() const { return string && !boolean && !number && !list && !object; }
};

// Reads type, anyOf, oneOf, allOf, enum, const and local $ref. A parameter that the tool does not declare is
// text; one whose schema says nothing about the type may be anything.
ArgumentTypes TypesOfArgument(const ToolDefinition* tool, std::string_view parameter);

// True for the spellings of null: JSON's, and Python's that V2.5's template shows the model.
bool IsNullText(std::string_view text);

// The JSON text of an argument. What fits none of the types becomes a string, so that nothing the model wrote
// is lost and the caller's own check names the field.
std::string ArgumentJson(std::string_view text, const ArgumentTypes& types);

// Appends `c` to the inside of a JSON string.
void AppendEscaped(char c, std::string* json);

}  // namespace mimo
