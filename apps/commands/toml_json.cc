#include "apps/commands/toml_json.h"

#include <toml++/toml.h>

#include <string>

namespace mimo {
namespace {

// The parser bounds the nesting.
Result<Json> ToJson(const toml::node& node, std::string_view key) {
  if (const toml::table* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [name, value] : *table) {
      MIMO_ASSIGN_OR_RETURN(object[std::string(name.str())], ToJson(value, name.str()));
    }
    return object;
  }
  if (const toml::array* array = node.as_array()) {
    Json list = Json::array();
    for (const toml::node& value : *array) {
      MIMO_ASSIGN_OR_RETURN(Json element, ToJson(value, key));
      list.push_back(std::move(element));
    }
    return list;
  }
  if (const auto* text = node.as_string()) return Json(text->get());
  if (const auto* integer = node.as_integer()) return Json(integer->get());
  if (const auto* number = node.as_floating_point()) return Json(number->get());
  if (const auto* flag = node.as_boolean()) return Json(flag->get());
  return InvalidArgument("key '{}' is a date or a time: write text", key);
}

}  // namespace

Result<Json> ParseToml(std::string_view text) {
  try {
    return ToJson(toml::parse(text), "");
  } catch (const toml::parse_error& error) {
    return InvalidArgument("line {}: {}", error.source().begin.line, error.description());
  }
}

}  // namespace mimo
