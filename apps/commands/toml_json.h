#pragma once
// TOML text as a JSON value, so that one reader serves both.

#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace mimo {

// Always an object. kInvalidArgument names the line of a syntax error, or the key of a date or a time, which
// JSON does not have.
Result<Json> ParseToml(std::string_view text);

}  // namespace mimo
