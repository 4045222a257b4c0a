// Where a $ref points: "#", "#/$defs/a", "#anchor", each perhaps behind the root's $id.

#include <optional>

#include "text/hex_digit.h"
#include "text/json_schema_reader.h"

namespace mimo {
namespace {

std::string DecodePercent(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::string UnescapePointer(std::string_view token) {
  std::string key;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      key += token[++i] == '0' ? '~' : '/';
    } else {
      key += token[i];
    }
  }
  return key;
}

const Json* FindAnchor(const Json& node, const std::string& anchor) {
  if (node.is_object()) {
    const auto it = node.find("$anchor");
    if (it != node.end() && it->is_string() && it->get_ref<const std::string&>() == anchor) return &node;
  }
  if (!node.is_structured()) return nullptr;
  for (const Json& child : node) {
    if (const Json* found = FindAnchor(child, anchor)) return found;
  }
  return nullptr;
}

}  // namespace

Result<const Json*> SchemaReader::Resolve(const std::string& reference) const {
  std::string_view rest = reference;
  const auto id = root_.is_object() ? root_.find("$id") : root_.end();
  if (id != root_.end() && id->is_string() && !id->get_ref<const std::string&>().empty()) {
    const auto& base = id->get_ref<const std::string&>();
    if (rest == base) return &root_;
    if (rest.starts_with(base) && rest.substr(base.size()).starts_with('#')) rest.remove_prefix(base.size());
  }
  if (!rest.starts_with('#')) {
    return InvalidArgument("'{}' is not within the schema, and others are not fetched",
                           reference.substr(0, 200));
  }
  const std::string pointer = DecodePercent(rest.substr(1));
  if (!pointer.empty() && pointer[0] != '/') {
    const Json* found = FindAnchor(root_, pointer);
    if (found == nullptr) return InvalidArgument("there is no '$anchor' of the name '{}'", pointer);
    return found;
  }
  const Json* node = &root_;
  for (size_t begin = 1; begin <= pointer.size();) {
    const size_t end = std::min(pointer.find('/', begin), pointer.size());
    const std::string key = UnescapePointer(std::string_view(pointer).substr(begin, end - begin));
    const Json* next = nullptr;
    if (node->is_object()) {
      const auto it = node->find(key);
      if (it != node->end()) next = &*it;
    } else if (node->is_array() && !key.empty() && key.size() < 7 &&
               key.find_first_not_of("0123456789") == std::string::npos) {
      const auto index = static_cast<size_t>(std::stoul(key));
      if (index < node->size()) next = &(*node)[index];
    }
    if (next == nullptr) return InvalidArgument("'{}' points at nothing", reference.substr(0, 200));
    node = next;
    begin = end + 1;
  }
  return node;
}

}  // namespace mimo
