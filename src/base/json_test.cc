#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ctime>
#include <limits>
#include <string>

namespace mimo {
namespace {

std::string ErrorOf(std::string_view text) {
  const Result<Json> json = ParseJson(text);
  if (json) return "no error";
  EXPECT_EQ(json.error().code, ErrorCode::kInvalidArgument);
  return json.error().message;
}

std::string Repeat(std::string_view piece, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += piece;
  return text;
}

TEST(ParseJson, ReadsEveryKindOfValueAndKeepsTheOrderOfKeys) {
  const std::string text =
      R"({"z":null,"a":[true,false,-3,18446744073709551615,0.5,"é\n"],"m":{"y":{},"b":[]},"":1})";
  const Result<Json> json = ParseJson(text);
  ASSERT_TRUE(json.has_value()) << json.error().message;
  EXPECT_EQ(DumpJson(*json), text);
  EXPECT_EQ((*json)["a"][3].get<uint64_t>(), std::numeric_limits<uint64_t>::max());
}

TEST(ParseJson, AgreesWithTheLibrarysOwnParser) {
  for (const char* text : {"1", "\"x\"", "[]", "{}", " [ 1 , [ 2 , { \"k\" : [ ] } ] , 3 ] ", "null", "-0.0",
                           "1e3", "[\"\\ud83d\\ude00\"]", "{\"a\":{\"b\":{\"c\":[1,{\"d\":2}]}},\"e\":3}"}) {
    const Result<Json> json = ParseJson(text);
    ASSERT_TRUE(json.has_value()) << text;
    EXPECT_EQ(*json, Json::parse(text)) << text;
  }
}

TEST(ParseJson, NamesTheByteOfTheFirstError) {
  EXPECT_EQ(ErrorOf("[1, x]"), "malformed JSON at byte 5");
  EXPECT_EQ(ErrorOf(""), "malformed JSON at byte 1");
  EXPECT_EQ(ErrorOf("[1] 2"), "malformed JSON at byte 5");
  EXPECT_EQ(ErrorOf("{\"a\":1"), "malformed JSON at byte 7");
  EXPECT_EQ(ErrorOf("1e999"), "malformed JSON at byte 5");
  EXPECT_EQ(ErrorOf("\"\xff\""), "malformed JSON at byte 2");
  EXPECT_EQ(ErrorOf("NaN"), "malformed JSON at byte 1");
}

TEST(ParseJson, RefusesARepeatedKey) {
  EXPECT_EQ(ErrorOf(R"({"a":1,"b":2,"a":3})"), "JSON object has the key 'a' twice");
  EXPECT_EQ(ErrorOf(R"([{"a":{"a":1}},{"a":1}])"), "no error");
}

TEST(ParseJson, AcceptsNestingUpToTheLimitAndNoFurther) {
  EXPECT_TRUE(ParseJson("[[1]]", {.depth_max = 2}).has_value());
  const Result<Json> json = ParseJson("[[{}]]", {.depth_max = 2});
  ASSERT_FALSE(json.has_value());
  EXPECT_EQ(json.error().message, "JSON is nested deeper than 2 levels");
  EXPECT_EQ(ErrorOf(Repeat("[", 1'000'000)), "JSON is nested deeper than 128 levels");
  EXPECT_EQ(ErrorOf(Repeat("{\"a\":", 100'000)), "JSON is nested deeper than 128 levels");
}

TEST(ParseJson, DoesNotCountBracketsInsideStrings) {
  EXPECT_TRUE(ParseJson("[\"[[[\\\"[[[\"]", {.depth_max = 1}).has_value());
}

// A search per key would take 20 000 000 000 comparisons here: minutes.
TEST(ParseJson, ReadsAnObjectOfManyKeysInSeconds) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += fmt::format("\"a key with a common beginning {}\":{},", i, i);
  text.back() = '}';
  // Of the processor, which other work does not lengthen; looking each key up would take minutes under a
  // sanitizer.
  const std::clock_t start = std::clock();
  const Result<Json> json = ParseJson(text);
  EXPECT_LT(std::clock() - start, 10 * CLOCKS_PER_SEC);
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->size(), 100'000U);
}

TEST(DumpJson, ReplacesInvalidUtf8AndNumbersThatJsonLacks) {
  EXPECT_EQ(DumpJson(Json("a\xff")), "\"a\xEF\xBF\xBD\"");
  EXPECT_EQ(DumpJson(Json(std::nan(""))), "null");
}

}  // namespace
}  // namespace mimo
