#pragma once
// JSON values as Jinja prints them: templates are Python, so prompts hold "True" and ", " where they were
// trained on it.

#include <string>
#include <string_view>

#include "base/json.h"

namespace mimo {

// json.dumps(value, ensure_ascii=False): a space after ',' and ':'.
std::string PythonJson(const Json& value);
// str(value): strings as they are, True, None, and lists and objects in Python's notation.
std::string PythonStr(const Json& value);
// str.strip(): Unicode white space too.
std::string_view PythonStrip(std::string_view text);

}  // namespace mimo
