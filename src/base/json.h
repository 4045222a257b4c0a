#pragma once
// JSON values. Carried only as far as the parser of a request or a file; native structs right after.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/status.h"

namespace mimo {

// Keeps the order of keys, which chat templates print. Looking a key up is linear in the size of the object:
// walk a large one (a vocabulary, a tensor index) instead of searching it entry by entry.
using Json = nlohmann::ordered_json;

struct JsonLimits {
  size_t depth_max = 128;  // nesting; a deeper document is an error, not a stack overflow
};

// Parses one UTF-8 document in time linear in its size (but for sorting the keys of an object, to refuse a
// repeated one). kInvalidArgument names the byte offset of the first error.
Result<Json> ParseJson(std::string_view text, const JsonLimits& limits = {});

// Compact text; invalid UTF-8 inside strings becomes U+FFFD, so this never fails.
std::string DumpJson(const Json& value);

// The string under `key`; empty where there is none, or something else.
std::string StringAt(const Json& object, std::string_view key);

}  // namespace mimo
