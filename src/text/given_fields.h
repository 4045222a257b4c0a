#pragma once
// Fields of the objects that clients send.

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace mimo {

// The value of `key`, or nullptr when it is missing or null: clients send both for "not given".
const Json* FindGiven(const Json& object, std::string_view key);

// The string under `key`, empty when it is not given. kInvalidArgument, with `where` as the name of the
// object, when it is something else.
Result<std::string> ReadString(const Json& object, std::string_view key, std::string_view where);

}  // namespace mimo
