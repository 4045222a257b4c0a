#include "text/output_parser_values.h"

#include <algorithm>
#include <cctype>

namespace mimo {
namespace {

constexpr int kSchemaNodesMax = 256;  // a $ref may point at itself, and branches multiply
constexpr ArgumentTypes kAnyType = {true, true, true, true, true, true};

void AddTypeName(const Json& name, ArgumentTypes* types) {
  if (!name.is_string()) return;
  const auto& text = name.get_ref<const std::string&>();
  types->string |= text == "string";
  types->null |= text == "null";
  types->boolean |= text == "boolean";
  types->number |= text == "number" || text == "integer";
  types->list |= text == "array";
  types->object |= text == "object";
}

void AddTypeOfValue(const Json& value, ArgumentTypes* types) {
  types->string |= value.is_string();
  types->null |= value.is_null();
  types->boolean |= value.is_boolean();
  types->number |= value.is_number();
  types->list |= value.is_array();
  types->object |= value.is_object();
}

// The schema a local reference points at, or nullptr.
const Json* Resolve(const Json& root, const Json& reference) {
  if (!reference.is_string()) return nullptr;
  const auto& path = reference.get_ref<const std::string&>();
  if (!path.starts_with("#/")) return nullptr;
  const Json* node = &root;
  for (size_t begin = 2; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (!node->is_object()) return nullptr;
    const auto it = node->find(path.substr(begin, end - begin));
    if (it == node->end()) return nullptr;
    node = &*it;
    begin = end + 1;
  }
  return node;
}

void AddTypes(const Json& root, const Json& schema, int* nodes_left, ArgumentTypes* types) {
  if (!schema.is_object() || --*nodes_left < 0) return;
  if (const auto type = schema.find("type"); type != schema.end()) {
    if (type->is_array()) {
      for (const Json& name : *type) AddTypeName(name, types);
    } else {
      AddTypeName(*type, types);
    }
    return;
  }
  if (const auto values = schema.find("enum"); values != schema.end() && values->is_array()) {
    for (const Json& value : *values) AddTypeOfValue(value, types);
  }
  if (const auto value = schema.find("const"); value != schema.end()) AddTypeOfValue(*value, types);
  if (const auto reference = schema.find("$ref"); reference != schema.end()) {
    if (const Json* target = Resolve(root, *reference)) AddTypes(root, *target, nodes_left, types);
  }
  for (const char* key : {"anyOf", "oneOf", "allOf"}) {
    const auto branches = schema.find(key);
    if (branches == schema.end() || !branches->is_array()) continue;
    for (const Json& branch : *branches) AddTypes(root, branch, nodes_left, types);
  }
}

std::string_view StripAsciiSpace(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

bool IsJsonNumber(std::string_view text) {
  const auto skip_digits = [&] {
    const size_t before = text.size();
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') text.remove_prefix(1);
    return before - text.size();
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool leading_zero = text.starts_with('0');
  const size_t num_digits = skip_digits();
  if (num_digits == 0 || (leading_zero && num_digits > 1)) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (skip_digits() == 0) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (skip_digits() == 0) return false;
  }
  return text.empty();
}

}  // namespace

ArgumentTypes TypesOfArgument(const ToolDefinition* tool, std::string_view parameter) {
  const ArgumentTypes text = {.string = true};
  if (tool == nullptr || !tool->parameters.is_object()) return text;
  const auto properties = tool->parameters.find("properties");
  if (properties == tool->parameters.end() || !properties->is_object()) return text;
  const auto schema = properties->find(std::string(parameter));
  if (schema == properties->end()) return text;
  ArgumentTypes types;
  int nodes_left = kSchemaNodesMax;
  AddTypes(tool->parameters, *schema, &nodes_left, &types);
  const bool is_known =
      types.string || types.null || types.boolean || types.number || types.list || types.object;
  return is_known ? types : kAnyType;
}

bool IsNullText(std::string_view text) { return text == "null" || text == "None"; }

std::string ArgumentJson(std::string_view text, const ArgumentTypes& types) {
  const std::string_view trimmed = StripAsciiSpace(text);
  if (types.null && IsNullText(trimmed)) return "null";
  if (types.boolean && EqualsIgnoringCase(trimmed, "true")) return "true";
  if (types.boolean && EqualsIgnoringCase(trimmed, "false")) return "false";
  if (types.number && IsJsonNumber(trimmed)) return std::string(trimmed);
  if ((types.list && trimmed.starts_with('[')) || (types.object && trimmed.starts_with('{'))) {
    // One level less than usual: the arguments around it add one.
    if (ParseJson(trimmed, {.depth_max = 127})) return std::string(trimmed);
  }
  std::string json = "\"";
  for (const char c : text) AppendEscaped(c, &json);
  return json + '"';
}

void AppendEscaped(char c, std::string* json) {
  switch (c) {
    case '"':
      *json += "\\\"";
      break;
    case '\\':
      *json += "\\\\";
      break;
    case '\n':
      *json += "\\n";
      break;
    case '\r':
      *json += "\\r";
      break;
    case '\t':
      *json += "\\t";
      break;
    default:
      if (static_cast<unsigned char>(c) < 0x20) {
        *json += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
      } else {
        *json += c;
      }
  }
}

}  // namespace mimo
