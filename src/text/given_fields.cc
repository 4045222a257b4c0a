#include "text/given_fields.h"

namespace mimo {

const Json* FindGiven(const Json& object, std::string_view key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Result<std::string> ReadString(const Json& object, std::string_view key, std::string_view where) {
  const Json* value = FindGiven(object, key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return InvalidArgument("'{}.{}' must be a string", where, key);
  return value->get<std::string>();
}

}  // namespace mimo
