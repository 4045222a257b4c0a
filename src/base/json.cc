#include "base/json.h"

namespace mimo {
namespace {

// Walks the text once, outside strings, so that the depth is known before anything recursive sees it.
bool DepthWithin(std::string_view text, size_t depth_max) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > depth_max) return false;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return true;
}

}  // namespace

Result<Json> ParseJson(std::string_view text, const JsonLimits& limits) {
  if (!DepthWithin(text, limits.depth_max)) {
    return InvalidArgument("JSON is nested deeper than {} levels", limits.depth_max);
  }
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    return InvalidArgument("malformed JSON at byte {}", error.byte);
  } catch (const nlohmann::json::exception& error) {  // for example a number out of range
    return InvalidArgument("malformed JSON: {}", error.what());
  }
}

std::string DumpJson(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace mimo
