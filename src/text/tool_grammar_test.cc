#include "text/tool_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/grammar_testutil.h"
#include "text/output_parser.h"

namespace mimo {
namespace {

std::vector<ToolDefinition> WeatherAndPing() {
  ToolDefinition weather;
  weather.name = "get_weather";
  weather.parameters = ParseJson(R"({"type": "object", "properties": {
      "city": {"type": "string", "minLength": 1, "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 7},
      "unit": {"enum": ["C", "F", null]}, "where": {"type": ["object", "null"], "properties": {"lat": {"type": "number"}},
      "required": ["lat"], "additionalProperties": false}, "note": {"type": ["string", "null", "integer"]}},
      "required": ["city"]})")
                           .value();
  ToolDefinition ping;
  ping.name = "ping";
  return {weather, ping};
}

GrammarPtr ToolGrammar(const ToolGrammarOptions& options) {
  Result<GrammarPtr> grammar = GrammarForToolCalls(WeatherAndPing(), options);
  if (!grammar) fmt::print(stderr, "{}\n", grammar.error().message);
  MIMO_CHECK(grammar);
  return *grammar;
}

std::string Weather(const std::string& parameters) {
  return "<tool_call>\n<function=get_weather>\n" + parameters + "</function>\n</tool_call>";
}

TEST(ToolGrammar, TakesBothLayoutsOfACall) {
  const GrammarPtr grammar = ToolGrammar({.choice = ToolChoice::kRequired});
  EXPECT_TRUE(
      IsWhole(grammar, Weather("<parameter=city>Paris</parameter>\n<parameter=days>3</parameter>\n")));
  EXPECT_TRUE(IsWhole(grammar,
                      "<tool_call><function=get_weather><parameter=days>3</parameter>"
                      "<parameter=city>Oslo</parameter></function></tool_call>"));
  EXPECT_TRUE(IsWhole(grammar,
                      "<tool_call><function=ping></function></tool_call>"
                      "<tool_call><function=ping></function></tool_call>"));
}

TEST(ToolGrammar, RefusesWhatTheSchemaForbids) {
  const GrammarPtr grammar = ToolGrammar({.choice = ToolChoice::kRequired});
  EXPECT_FALSE(IsBeginning(grammar, "Sure"));
  EXPECT_FALSE(IsBeginning(grammar, "<tool_call><function=get_news"));
  EXPECT_FALSE(IsWhole(grammar, Weather("")));
  EXPECT_FALSE(IsBeginning(grammar, Weather("<parameter=city>Paris</parameter>\n<parameter=days>8")));
  EXPECT_FALSE(IsBeginning(grammar, "<tool_call><function=get_weather><parameter=country"));
  EXPECT_FALSE(IsBeginning(grammar, "<tool_call><function=get_weather><parameter=city></parameter>"));
  EXPECT_FALSE(
      IsBeginning(grammar, "<tool_call><function=get_weather><parameter=city>012345678901234567890"));
  EXPECT_FALSE(
      IsBeginning(grammar, "<tool_call><function=get_weather><parameter=city>a</parameter><parameter=city"));
}

TEST(ToolGrammar, ValuesMeanWhatTheParserReads) {
  const GrammarPtr grammar = ToolGrammar({.choice = ToolChoice::kRequired, .name = "get_weather"});
  const std::string parameters =
      "<parameter=city>a </b> \"\xC3\xA4\"</parameter>\n<parameter=unit>null</parameter>\n"
      "<parameter=where>{\"lat\": 1.5}</parameter>\n<parameter=note>17</parameter>\n";
  ASSERT_TRUE(IsWhole(grammar, Weather(parameters)));
  const ParsedOutput output =
      ParseOutput(Weather(parameters), {.parse_tool_calls = true, .tools = WeatherAndPing()});
  ASSERT_EQ(output.tool_calls.size(), 1U);
  EXPECT_EQ(DumpJson(output.tool_calls[0].arguments),
            "{\"city\":\"a </b> \\\"\xC3\xA4\\\"\",\"unit\":null,\"where\":{\"lat\":1.5},\"note\":17}");
  EXPECT_FALSE(IsBeginning(grammar, "<tool_call><function=get_weather><parameter=where>{\"lat\": \""));
  EXPECT_FALSE(IsBeginning(grammar, "<tool_call><function=get_weather><parameter=unit>K"));
}

TEST(ToolGrammar, AutoIsFreeUntilACallBegins) {
  const GrammarPtr grammar = ToolGrammar({});
  EXPECT_TRUE(IsWhole(grammar, "The <tool is nice"));
  EXPECT_TRUE(IsWhole(grammar, "Let me look.\n<tool_call><function=ping></function></tool_call>"));
  EXPECT_FALSE(IsBeginning(grammar, "Let me look.\n<tool_call>ping"));
  EXPECT_FALSE(IsWhole(grammar, "Let me look.\n<tool_call>"));
  EXPECT_FALSE(
      IsBeginning(ToolGrammar({.parallel = false}), "<tool_call><function=ping></function></tool_call><"));
}

TEST(ToolGrammar, AfterReasoning) {
  const GrammarPtr answer = ToolGrammar({.choice = ToolChoice::kRequired, .name = "ping"});
  const std::string call = "<tool_call><function=ping></function></tool_call>";
  const GrammarPtr open = GrammarAfterReasoning(answer, ReasoningStart::kOpen).value();
  EXPECT_TRUE(IsWhole(open, "I think so </thin</think>" + call));
  EXPECT_FALSE(IsBeginning(open, "I think </think>no"));
  const GrammarPtr either = GrammarAfterReasoning(answer, ReasoningStart::kModelDecides).value();
  EXPECT_TRUE(IsWhole(either, call));
  EXPECT_TRUE(IsWhole(either, "<think>hm</think>" + call));
  EXPECT_FALSE(IsBeginning(either, "hm"));
}

TEST(ToolGrammar, LengthsNeverLeadIntoADeadEnd) {
  ToolDefinition tool;
  tool.name = "f";
  tool.parameters =
      ParseJson(R"({"type": "object", "properties": {"s": {"type": "string", "minLength": 3, "maxLength": 3}},
      "required": ["s"]})")
          .value();
  const GrammarPtr grammar = GrammarForToolCalls({tool}, {.choice = ToolChoice::kRequired}).value();
  const std::string open = "<tool_call><function=f><parameter=s>";
  EXPECT_TRUE(IsWhole(grammar, open + "</p</parameter></function></tool_call>"));
  EXPECT_FALSE(IsBeginning(grammar, open + "</pa"));
  EXPECT_TRUE(IsBeginning(grammar, open + "abc</pa"));
  EXPECT_FALSE(IsBeginning(grammar, open + "abcd"));
  const GrammarVocabulary& vocabulary = BuiltinGrammarVocabulary();
  for (const std::string text : {"", "<", "a", "ab", "a</", "ab<", "abc", "abc<", "</p"}) {
    GrammarMatcher matcher(grammar, &vocabulary);
    ASSERT_TRUE(matcher.AcceptBytes(open + text)) << text;
    TokenBitmask mask(vocabulary.vocab_size());
    ASSERT_TRUE(matcher.FillMask(&mask));
    for (TokenId token = 0; token < vocabulary.vocab_size(); ++token) {
      const char first = vocabulary.TokenBytes(token).empty() ? 'z' : vocabulary.TokenBytes(token)[0];
      if (token % 64 != 0 && first != '<' && first != '/' && first != 'p') continue;
      GrammarMatcher copy = matcher;
      ASSERT_EQ(mask.Test(token), copy.AcceptToken(token)) << text << " + " << vocabulary.TokenBytes(token);
    }
  }
}

TEST(ToolGrammar, NamesWhatItRefuses) {
  ToolDefinition tool;
  tool.name = "f";
  tool.parameters = ParseJson(R"({"type": "object", "properties": {"s": {"dependencies": {}}}})").value();
  const Result<GrammarPtr> grammar = GrammarForToolCalls({tool}, {});
  ASSERT_FALSE(grammar);
  EXPECT_THAT(grammar.error().message,
              testing::HasSubstr("tool 'f': JSON schema, #/properties/s/dependencies"));
  EXPECT_FALSE(GrammarForToolCalls({tool}, {.name = "g"}));
}

}  // namespace
}  // namespace mimo
