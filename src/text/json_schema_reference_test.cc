#include "text/json_schema_reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/grammar_testutil.h"

namespace mimo {
namespace {

using testing::HasSubstr;

// The examples of RFC 3986, 5.4.
TEST(JsonSchemaReference, ResolvesAgainstTheBase) {
  constexpr std::string_view kBase = "http://a/b/c/d;p?q";
  EXPECT_EQ(ResolveUri(kBase, "g:h"), "g:h");
  EXPECT_EQ(ResolveUri(kBase, "g"), "http://a/b/c/g");
  EXPECT_EQ(ResolveUri(kBase, "./g/"), "http://a/b/c/g/");
  EXPECT_EQ(ResolveUri(kBase, "/g"), "http://a/g");
  EXPECT_EQ(ResolveUri(kBase, "//g"), "http://g");
  EXPECT_EQ(ResolveUri(kBase, "?y"), "http://a/b/c/d;p?y");
  EXPECT_EQ(ResolveUri(kBase, "g?y"), "http://a/b/c/g?y");
  EXPECT_EQ(ResolveUri(kBase, ""), "http://a/b/c/d;p?q");
  EXPECT_EQ(ResolveUri(kBase, ".."), "http://a/b/");
  EXPECT_EQ(ResolveUri(kBase, "../../g"), "http://a/g");
  EXPECT_EQ(ResolveUri(kBase, "../../../g"), "http://a/g");
  EXPECT_EQ(ResolveUri(kBase, "./../g/./h"), "http://a/b/g/h");
  EXPECT_EQ(ResolveUri("http://a", "g"), "http://a/g");
  EXPECT_EQ(ResolveUri("", "g.json"), "g.json");
  EXPECT_EQ(ResolveUri("dir/tree.json", "node.json"), "dir/node.json");
}

TEST(JsonSchemaReference, ResourcesHaveNamesOfTheirOwn) {
  const GrammarPtr grammar = SchemaGrammar(R"({"$id": "http://x.org/tree.json", "type": "object",
      "properties": {"node": {"$ref": "node.json"}, "leaf": {"$ref": "node.json#leaf"}, "top": {"$ref": "#/$defs/n/$defs/m"}},
      "$defs": {"n": {"$id": "/node.json", "type": "array", "items": {"$ref": "#/$defs/m"},
                      "$defs": {"m": {"$anchor": "leaf", "type": "null"}}}}})");
  EXPECT_TRUE(IsWhole(grammar, R"({"node":[null],"leaf":null,"top":null})"));
  EXPECT_FALSE(IsBeginning(grammar, R"({"node":[1)"));
  EXPECT_FALSE(IsBeginning(grammar, R"({"leaf":[)"));
}

TEST(JsonSchemaReference, DynamicReferencesToOneAnchorArePlain) {
  const GrammarPtr tree = SchemaGrammar(R"({"$dynamicAnchor": "node", "type": "object",
      "properties": {"children": {"type": "array", "items": {"$dynamicRef": "#node"}}}, "additionalProperties": false})");
  EXPECT_TRUE(IsWhole(tree, R"({"children":[{"children":[]},{}]})"));
  EXPECT_FALSE(IsBeginning(tree, R"({"children":[1)"));
  EXPECT_THAT(SchemaError(R"({"$dynamicAnchor": "node", "items": {"$dynamicRef": "#node"},
      "$defs": {"other": {"$id": "other", "$dynamicAnchor": "node"}}})"),
              HasSubstr("'$dynamicRef' is not supported"));
  EXPECT_THAT(SchemaError(R"({"$ref": "other.json#/a"})"), HasSubstr("not within the schema"));
}

TEST(JsonSchemaReference, ValuesAreNoSchemas) {
  EXPECT_THAT(SchemaError(R"({"properties": {"a": {"$ref": "#a"}, "$id": {"type": "null"}},
      "$defs": {"b": {"const": {"$anchor": "a"}}}})"),
              HasSubstr("no '$anchor'"));
}

}  // namespace
}  // namespace mimo
