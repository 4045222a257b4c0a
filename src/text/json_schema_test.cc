#include "text/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/grammar_testutil.h"

namespace mimo {
namespace {

using testing::HasSubstr;

TEST(JsonSchema, TakesPropertiesInAnyOrderAndNoneTwice) {
  const GrammarPtr grammar = SchemaGrammar(R"({"type": "object", "additionalProperties": false,
      "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "null"}},
      "required": ["a", "b"]})");
  EXPECT_TRUE(IsWhole(grammar, R"({"a":1,"b":"x"})"));
  EXPECT_TRUE(IsWhole(grammar, R"({"b": "x", "a": 1})"));
  EXPECT_TRUE(IsWhole(grammar, "{\n  \"c\": null,\n  \"b\": \"x\",\n  \"a\": 1\n}"));
  EXPECT_FALSE(IsWhole(grammar, R"({"a":1})"));
  EXPECT_FALSE(IsBeginning(grammar, R"({"a":1,"a)"));
  EXPECT_FALSE(IsBeginning(grammar, R"({"d)"));
  EXPECT_FALSE(IsBeginning(grammar, R"({"a":1,"b":"x","c":null,)"));
}

TEST(JsonSchema, AdditionalPropertiesHaveAnyNameButThoseUsed) {
  const GrammarPtr grammar = SchemaGrammar(
      R"({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "boolean"}})");
  EXPECT_TRUE(IsWhole(grammar, R"({"x":true,"a":1,"ab":false})"));
  EXPECT_FALSE(IsWhole(grammar, R"({"x":true,"x":true})"));
  EXPECT_TRUE(IsWhole(grammar, R"({"x":true,"xy":true})"));
  EXPECT_FALSE(IsBeginning(grammar, R"({"a":t)"));
  EXPECT_FALSE(IsBeginning(grammar, R"({"b":1)"));
}

TEST(JsonSchema, FiniteKeysNeverLeadIntoADeadEnd) {
  const GrammarPtr grammar = SchemaGrammar(
      R"({"type": "object", "patternProperties": {"^[ab][ab]$": {}}, "additionalProperties": false, "minProperties": 3})");
  EXPECT_TRUE(IsWhole(grammar, R"({"aa":1,"ab":2,"bb":3,"ba":4})"));
  EXPECT_FALSE(IsBeginning(grammar, R"({"aa":1,"ab":2,"a)"));
  EXPECT_FALSE(IsWhole(grammar, R"({"aa":1,"ab":2})"));
}

TEST(JsonSchema, WhatOneAlternativeRequiresMayBeOptionalInAnother) {
  const GrammarPtr grammar =
      SchemaGrammar(R"({"type": "object", "properties": {"b": {}}, "dependentRequired": {"b": ["c"]}})");
  EXPECT_TRUE(IsWhole(grammar, R"({"b":1,"c":2})"));
  EXPECT_TRUE(IsWhole(grammar, R"({"c":2,"b":1})"));
  EXPECT_TRUE(IsWhole(grammar, R"({"c":2})"));
  EXPECT_FALSE(IsWhole(grammar, R"({"b":1,"d":2})"));
}

TEST(JsonSchema, Numbers) {
  const GrammarPtr between = SchemaGrammar(R"({"type": "integer", "minimum": -3, "exclusiveMaximum": 120})");
  for (const char* text : {"-3", "-1", "0", "7", "99", "100", "119"})
    EXPECT_TRUE(IsWhole(between, text)) << text;
  for (const char* text : {"-4", "120", "1000", "01", "1.5", "-30", "1.0"})
    EXPECT_FALSE(IsWhole(between, text)) << text;
  const GrammarPtr fractions =
      SchemaGrammar(R"({"minimum": 0.25, "maximum": 1e1, "multipleOf": 0.25, "type": "number"})");
  for (const char* text : {"0.25", "0.5", "1", "10", "10.00", "9.75"})
    EXPECT_TRUE(IsWhole(fractions, text)) << text;
  for (const char* text : {"0", "0.3", "10.25", "0.125", "11"})
    EXPECT_FALSE(IsWhole(fractions, text)) << text;
  EXPECT_TRUE(IsWhole(SchemaGrammar(R"({"type": "number"})"), "-1.5e+10"));
}

TEST(JsonSchema, Strings) {
  const GrammarPtr lengths = SchemaGrammar(R"({"type": "string", "minLength": 2, "maxLength": 3})");
  for (const char* text : {R"("ab")", R"("äöü")", R"("\n\u00e4")", R"("\ud83d\ude00x")"})
    EXPECT_TRUE(IsWhole(lengths, text)) << text;
  for (const char* text : {R"("a")", R"("abcd")", R"("\ud83d\ude00")"})
    EXPECT_FALSE(IsWhole(lengths, text)) << text;
  const GrammarPtr pattern = SchemaGrammar(R"({"type": "string", "pattern": "^[a-z]+\"$"})");
  EXPECT_TRUE(IsWhole(pattern, R"("ab\"")"));
  EXPECT_FALSE(IsWhole(pattern, R"("ab")"));
  const GrammarPtr date = SchemaGrammar(R"({"type": "string", "format": "date"})");
  EXPECT_TRUE(IsWhole(date, R"("2024-02-29")"));
  EXPECT_FALSE(IsWhole(date, R"("2023-02-29")"));
}

TEST(JsonSchema, Recursion) {
  const GrammarPtr tree = SchemaGrammar(R"({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object",
      "properties": {"v": {"type": "integer"}, "c": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
      "required": ["v"], "additionalProperties": false}}})");
  EXPECT_TRUE(IsWhole(tree, R"({"v":1,"c":[{"c":[],"v":2},{"v":3}]})"));
  EXPECT_FALSE(IsWhole(tree, R"({"v":1,"c":[{"c":[]}]})"));
}

TEST(JsonSchema, OneOfAndNot) {
  const GrammarPtr one = SchemaGrammar(
      R"({"oneOf": [{"type": "integer", "multipleOf": 2}, {"type": "integer", "multipleOf": 3}]})");
  EXPECT_TRUE(IsWhole(one, "4"));
  EXPECT_TRUE(IsWhole(one, "9"));
  EXPECT_FALSE(IsWhole(one, "12"));
  EXPECT_FALSE(IsWhole(one, "5"));
  const GrammarPtr tagged = SchemaGrammar(R"({"oneOf": [
    {"type": "object", "properties": {"t": {"const": "a"}, "x": {"type": "integer"}}, "required": ["t", "x"], "additionalProperties": false},
    {"type": "object", "properties": {"t": {"const": "b"}, "y": {"type": "integer"}}, "required": ["t", "y"], "additionalProperties": false}]})");
  EXPECT_TRUE(IsWhole(tagged, R"({"t":"a","x":1})"));
  EXPECT_TRUE(IsWhole(tagged, R"({"y":1,"t":"b"})"));
  EXPECT_FALSE(IsBeginning(tagged, R"({"t":"a","y)"));
}

TEST(JsonSchema, UniqueItems) {
  const GrammarPtr tags =
      SchemaGrammar(R"({"type": "array", "items": {"enum": ["a", "ab", "b"]}, "uniqueItems": true})");
  EXPECT_TRUE(IsWhole(tags, R"(["ab", "a", "b"])"));
  EXPECT_TRUE(IsWhole(tags, "[]"));
  EXPECT_FALSE(IsBeginning(tags, R"(["a","a")"));
  EXPECT_FALSE(IsBeginning(tags, R"(["a","ab","b",)"));
  // A number may continue another one.
  const GrammarPtr numbers =
      SchemaGrammar(R"({"type": "array", "items": {"type": "integer"}, "uniqueItems": true})");
  EXPECT_TRUE(IsWhole(numbers, "[1,12,121]"));
  EXPECT_TRUE(IsWhole(numbers, "[12,1,0,-1]"));
  EXPECT_FALSE(IsWhole(numbers, "[1,12,1]"));
  EXPECT_FALSE(IsBeginning(numbers, "[1,1,"));
  const GrammarPtr few = SchemaGrammar(
      R"({"type": "array", "items": {"type": "integer", "minimum": 9, "maximum": 10}, "uniqueItems": true, "minItems": 2})");
  EXPECT_TRUE(IsWhole(few, "[10,9]"));
  EXPECT_FALSE(IsWhole(few, "[9]"));
  EXPECT_FALSE(IsBeginning(few, "[10,1"));
  EXPECT_TRUE(IsWhole(SchemaGrammar(R"({"items": {"type": ["number", "string"]}, "uniqueItems": true})"),
                      R"([1.5,1,"1","x"])"));
  EXPECT_THAT(SchemaError(R"({"type": "array", "uniqueItems": true})"), HasSubstr("'uniqueItems'"));
  EXPECT_THAT(SchemaError(R"({"enum": [["a", "b"]], "uniqueItems": true})"), HasSubstr("'uniqueItems'"));
  EXPECT_TRUE(IsWhole(SchemaGrammar(R"({"type": "array", "uniqueItems": true, "maxItems": 1})"), "[{}]"));
}

TEST(JsonSchema, ContainsCountsItems) {
  const GrammarPtr one = SchemaGrammar(R"({"type": "array", "contains": {"type": "integer"}})");
  EXPECT_TRUE(IsWhole(one, R"(["a",{},3,null])"));
  EXPECT_FALSE(IsWhole(one, R"(["a",{}])"));
  EXPECT_FALSE(IsWhole(one, "[]"));
  const GrammarPtr some = SchemaGrammar(
      R"({"type": "array", "contains": {"const": "x"}, "minContains": 2, "maxContains": 3, "maxItems": 4})");
  EXPECT_TRUE(IsWhole(some, R"(["x",1,"x"])"));
  EXPECT_TRUE(IsWhole(some, R"(["x","x","x","y"])"));
  EXPECT_FALSE(IsWhole(some, R"(["x",1])"));
  EXPECT_FALSE(IsWhole(some, R"(["x","x","x","x"])"));
  EXPECT_FALSE(IsBeginning(some, "[1,2,3"));
  const GrammarPtr none = SchemaGrammar(R"({"not": {"contains": {"type": "integer"}}, "type": "array"})");
  EXPECT_TRUE(IsWhole(none, R"(["a",1.5])"));
  EXPECT_FALSE(IsWhole(none, R"(["a",1])"));
  const GrammarPtr not_all = SchemaGrammar(R"({"not": {"items": {"type": "integer"}}, "type": "array"})");
  EXPECT_TRUE(IsWhole(not_all, R"([1,2,"a"])"));
  EXPECT_FALSE(IsWhole(not_all, "[1,2]"));
  EXPECT_THAT(SchemaError(R"({"contains": {"const": 1}, "minContains": 2000, "maxItems": 9000})"),
              HasSubstr("'contains'"));
}

TEST(JsonSchema, UnevaluatedIsWhatNoKeywordLookedAt) {
  const GrammarPtr extended = SchemaGrammar(R"({"$ref": "#/$defs/base", "properties": {"b": {}},
      "unevaluatedProperties": false, "$defs": {"base": {"type": "object", "properties": {"a": {"type": "integer"}}}}})");
  EXPECT_TRUE(IsWhole(extended, R"({"a":1,"b":2})"));
  EXPECT_FALSE(IsBeginning(extended, R"({"c)"));
  // Both branches hold, so both count.
  const GrammarPtr either = SchemaGrammar(R"({"type": "object", "unevaluatedProperties": false,
      "anyOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {"type": "integer"}}}]})");
  EXPECT_TRUE(IsWhole(either, R"({"a":1,"b":2})"));
  EXPECT_FALSE(IsWhole(either, R"({"a":1,"b":""})"));
  EXPECT_FALSE(IsBeginning(either, R"({"c)"));
  const GrammarPtr items = SchemaGrammar(R"({"type": "array", "allOf": [{"prefixItems": [{"type": "null"}]}],
      "unevaluatedItems": {"type": "integer"}})");
  EXPECT_TRUE(IsWhole(items, "[null,1,2]"));
  EXPECT_FALSE(IsBeginning(items, "[null,n"));
  EXPECT_THAT(SchemaError(R"({"contains": {"const": 1}, "unevaluatedItems": false})"),
              HasSubstr("'unevaluatedItems' is not supported where 'contains'"));
}

TEST(JsonSchema, RefusesByNameWhatItDoesNotDo) {
  EXPECT_THAT(SchemaError(R"({"properties": {"a/b": {"additionalItems": false}}})"),
              HasSubstr("#/properties/a~1b/additionalItems"));
  EXPECT_THAT(SchemaError(R"({"type": "string", "minLength": 3, "maxLength": 2})"),
              HasSubstr("nothing satisfies"));
  EXPECT_THAT(SchemaError(R"({"$ref": "#"})"), HasSubstr("without end"));
  EXPECT_THAT(SchemaError(R"({"$ref": "http://x/y"})"), HasSubstr("not within the schema"));
}

// Takes the text byte by byte; before each byte the mask says of every sampled token what taking it says.
void ExpectMasksAgree(std::string_view text, const GrammarVocabulary& vocabulary, GrammarMatcher* matcher) {
  TokenBitmask mask(vocabulary.vocab_size());
  for (const char c : text) {
    ASSERT_TRUE(matcher->FillMask(&mask));
    for (TokenId token = 0; token < vocabulary.vocab_size(); token += 1 + token / 200) {
      GrammarMatcher copy = *matcher;
      ASSERT_EQ(mask.Test(token), copy.AcceptToken(token)) << vocabulary.TokenBytes(token);
    }
    ASSERT_TRUE(matcher->AcceptBytes({&c, 1})) << text;
  }
  EXPECT_TRUE(matcher->CanEnd());
}

// Keys and unique items whose beginnings are other ones': their masks are derived from those of what follows.
TEST(JsonSchema, MasksOfNamesAgreeWithBytes) {
  const GrammarPtr grammar = SchemaGrammar(R"({"type": "object", "properties": {
      "name": {"type": "array", "uniqueItems": true, "items": {"type": ["integer", "string"]}},
      "names": {"type": "array", "uniqueItems": true, "items": {"enum": [1, 12, 123, "one", "ones"]}},
      "text": {"type": "string", "pattern": "ab"}}})");
  const GrammarVocabulary& vocabulary = BuiltinGrammarVocabulary();
  const std::string_view text =
      R"({"namesake": null, "name": [12, 1, "one", "on"], "names": [123, 1, "one", 12], "text": "a ab"})";
  GrammarMatcher matcher(grammar, &vocabulary);
  ASSERT_NO_FATAL_FAILURE(ExpectMasksAgree(text, vocabulary, &matcher));
}

TEST(JsonSchema, MasksAgreeWithBytes) {
  const GrammarPtr grammar = SchemaGrammar(R"({"type": "object", "additionalProperties": {"type": "integer"},
      "properties": {"name": {"type": "string", "maxLength": 12}, "kind": {"enum": ["alpha", "beta"]},
      "list": {"type": "array", "items": {"type": "number"}}}, "required": ["kind"]})");
  const GrammarVocabulary& vocabulary = BuiltinGrammarVocabulary();
  for (const std::string text : {R"({"name": "a\n bc", "kind": "alpha", "x": 17, "list": [1.5, 2e3]})",
                                 "{\n  \"kind\": \"beta\"\n}"}) {
    GrammarMatcher matcher(grammar, &vocabulary);
    ASSERT_NO_FATAL_FAILURE(ExpectMasksAgree(text, vocabulary, &matcher));
    EXPECT_TRUE(matcher.MustEnd());
  }
}

}  // namespace
}  // namespace mimo
