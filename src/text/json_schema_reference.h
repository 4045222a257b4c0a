#pragma once
// Internal to json_schema: where references point. Resources of a schema are known by their $id, resolved
// against those around them, and places in them by $anchor, $dynamicAnchor or JSON pointer. Nothing is
// fetched.

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/status.h"

namespace mimo {

class SchemaReferences {
 public:
  // `root` must outlive this.
  explicit SchemaReferences(const Json& root);

  // What `reference`, a $ref or $dynamicRef of `schema`, means. kInvalidArgument where it is not within the
  // root, or where it depends on the way by which it was reached.
  Result<const Json*> Resolve(const Json& schema, const std::string& reference, bool is_dynamic) const;

 private:
  struct Anchor {
    const Json* schema = nullptr;
    bool is_dynamic = false;
  };

  // `is_schema`: a string at "$id" is a keyword, and not a property's name.
  void Index(const Json& node, const std::string& base, bool is_schema);
  void IndexAnchors(const Json& schema, const std::string& base);

  std::map<std::string, const Json*> resources_;                   // by their absolute URI
  std::map<std::pair<std::string, std::string>, Anchor> anchors_;  // by URI of the resource and name
  std::map<std::string, size_t> num_dynamic_anchors_;              // of a name
  std::map<const Json*, std::string> bases_;                       // of schemas with a reference
};

// RFC 3986, 5.2: `reference` (without a fragment) as seen from `base`. Both may be relative.
std::string ResolveUri(std::string_view base, std::string_view reference);

}  // namespace mimo
