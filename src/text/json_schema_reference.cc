#include "text/json_schema_reference.h"

#include <algorithm>

#include "text/hex_digit.h"

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

// Keywords whose value is no schema, whatever it looks like.
bool IsPlainValue(std::string_view keyword) {
  return keyword == "const" || keyword == "enum" || keyword == "default" || keyword == "examples";
}
// Keywords whose value maps names to schemas.
bool IsMapOfSchemas(std::string_view keyword) {
  return keyword == "properties" || keyword == "patternProperties" || keyword == "$defs" ||
         keyword == "definitions" || keyword == "dependentSchemas";
}

const std::string* StringAt(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? &it->get_ref<const std::string&>() : nullptr;
}

Result<const Json*> FollowPointer(const Json& root, const std::string& pointer) {
  const Json* node = &root;
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
    if (next == nullptr) return InvalidArgument("'#{}' points at nothing", pointer.substr(0, 200));
    node = next;
    begin = end + 1;
  }
  return node;
}

// The parts of a URI with their delimiters: "scheme:", "//authority", path, "?query".
struct UriParts {
  std::string_view scheme;
  std::string_view authority;
  std::string_view path;
  std::string_view query;
};

UriParts SplitUri(std::string_view uri) {
  UriParts parts;
  uri = uri.substr(0, uri.find('#'));
  const size_t colon = uri.find_first_of(":/?");
  if (colon != std::string_view::npos && uri[colon] == ':') parts.scheme = uri.substr(0, colon + 1);
  uri.remove_prefix(parts.scheme.size());
  if (uri.starts_with("//"))
    parts.authority = uri.substr(0, std::min(uri.find_first_of("/?", 2), uri.size()));
  uri.remove_prefix(parts.authority.size());
  parts.path = uri.substr(0, uri.find('?'));
  parts.query = uri.substr(parts.path.size());
  return parts;
}

std::string WithoutDotSegments(std::string_view path) {
  std::string kept;
  while (!path.empty()) {
    if (path.starts_with("../")) {
      path.remove_prefix(3);
    } else if (path.starts_with("./")) {
      path.remove_prefix(2);
    } else if (path.starts_with("/./") || path == "/.") {
      path = path.size() == 2 ? "/" : path.substr(2);
    } else if (path.starts_with("/../") || path == "/..") {
      path = path.size() == 3 ? "/" : path.substr(3);
      kept.erase(std::min(kept.rfind('/'), kept.size()));
    } else if (path == "." || path == "..") {
      path = {};
    } else {
      const size_t end = std::min(path.find('/', 1), path.size());
      kept += path.substr(0, end);
      path.remove_prefix(end);
    }
  }
  return kept;
}

}  // namespace

std::string ResolveUri(std::string_view base, std::string_view reference) {
  const UriParts from = SplitUri(base);
  UriParts parts = SplitUri(reference);
  std::string path;
  if (!parts.scheme.empty() || !parts.authority.empty() || parts.path.starts_with('/')) {
    path = WithoutDotSegments(parts.path);
  } else if (parts.path.empty()) {
    path = from.path;
    if (parts.query.empty()) parts.query = from.query;
  } else if (!from.authority.empty() && from.path.empty()) {
    path = WithoutDotSegments("/" + std::string(parts.path));
  } else {
    const size_t slash = from.path.rfind('/');
    path =
        WithoutDotSegments(std::string(from.path.substr(0, slash == std::string_view::npos ? 0 : slash + 1)) +
                           std::string(parts.path));
  }
  if (parts.authority.empty() && parts.scheme.empty()) parts.authority = from.authority;
  if (parts.scheme.empty()) parts.scheme = from.scheme;
  return fmt::format("{}{}{}{}", parts.scheme, parts.authority, path, parts.query);
}

SchemaReferences::SchemaReferences(const Json& root) {
  const std::string* id = root.is_object() ? StringAt(root, "$id") : nullptr;
  resources_.emplace(id != nullptr ? ResolveUri("", *id) : "", &root);
  Index(root, "", true);
}

void SchemaReferences::Index(const Json& node, const std::string& base, bool is_schema) {
  if (node.is_array()) {
    for (const Json& child : node) Index(child, base, true);
  }
  if (!node.is_object()) return;
  const std::string* id = is_schema ? StringAt(node, "$id") : nullptr;
  const std::string own_base = id != nullptr ? ResolveUri(base, *id) : base;
  if (id != nullptr) resources_.emplace(own_base, &node);
  if (is_schema) IndexAnchors(node, own_base);
  for (const auto& [key, child] : node.items()) {
    if (is_schema && IsPlainValue(key)) continue;
    Index(child, own_base, !(is_schema && IsMapOfSchemas(key)));
  }
}

void SchemaReferences::IndexAnchors(const Json& schema, const std::string& base) {
  if (schema.contains("$ref") || schema.contains("$dynamicRef")) bases_.emplace(&schema, base);
  if (const std::string* name = StringAt(schema, "$anchor")) {
    anchors_.emplace(std::pair(base, *name), Anchor{.schema = &schema});
  }
  if (const std::string* name = StringAt(schema, "$dynamicAnchor")) {
    anchors_.emplace(std::pair(base, *name), Anchor{.schema = &schema, .is_dynamic = true});
    ++num_dynamic_anchors_[*name];
  }
}

Result<const Json*> SchemaReferences::Resolve(const Json& schema, const std::string& reference,
                                              bool is_dynamic) const {
  const auto base = bases_.find(&schema);
  const size_t hash = std::min(reference.find('#'), reference.size());
  const std::string uri = ResolveUri(base != bases_.end() ? base->second : "", reference.substr(0, hash));
  const auto resource = resources_.find(uri);
  if (resource == resources_.end()) {
    return InvalidArgument("'{}' is not within the schema, and others are not fetched",
                           reference.substr(0, 200));
  }
  const std::string fragment =
      DecodePercent(std::string_view(reference).substr(std::min(hash + 1, reference.size())));
  if (fragment.empty() || fragment[0] == '/') return FollowPointer(*resource->second, fragment);
  const auto anchor = anchors_.find(std::pair(uri, fragment));
  if (anchor == anchors_.end()) return InvalidArgument("there is no '$anchor' of the name '{}'", fragment);
  // The way through several schemas of that name would decide.
  if (is_dynamic && anchor->second.is_dynamic && num_dynamic_anchors_.at(fragment) > 1) {
    return InvalidArgument(
        "the keyword '$dynamicRef' is not supported where several schemas have the '$dynamicAnchor' '{}'",
        fragment);
  }
  return anchor->second.schema;
}

}  // namespace mimo
