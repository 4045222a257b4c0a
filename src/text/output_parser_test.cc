#include "text/output_parser.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "text/chat_template.h"

namespace mimo {
namespace {

std::vector<ToolDefinition> Tools() {
  const char* text = R"({"messages": [{"role": "user"}], "tools": [
    {"type": "function", "function": {"name": "write", "parameters": {"type": "object", "properties": {
      "path": {"type": "string"}, "line": {"type": "integer"}, "ratio": {"type": "number"},
      "append": {"type": "boolean"}, "tags": {"type": "array"}, "options": {"type": "object"},
      "note": {"type": ["string", "null"]}, "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
      "point": {"$ref": "#/$defs/Point"}, "mode": {"enum": ["fast", "slow"]}, "any": {},
      "mixed": {"type": ["string", "integer"]}, "loop": {"$ref": "#/$defs/Loop"}},
      "$defs": {"Point": {"type": "object"}, "Loop": {"anyOf": [{"$ref": "#/$defs/Loop"},
                {"$ref": "#/$defs/Loop"}, {"type": "boolean"}]}}}}},
    {"type": "function", "function": {"name": "ping"}}]})";
  return ParseChatRequest(ParseJson(text).value())->tools;
}

OutputParserOptions WithTools() {
  return {.starts_in_reasoning = false, .parse_tool_calls = true, .tools = Tools()};
}

// The events with neighbours of one kind joined: what must not depend on the split.
std::vector<OutputEvent> Joined(const std::vector<OutputEvent>& events) {
  std::vector<OutputEvent> out;
  for (const OutputEvent& event : events) {
    const bool is_text =
        event.kind != OutputEvent::Kind::kToolCallBegin && event.kind != OutputEvent::Kind::kToolCallEnd;
    if (is_text && !out.empty() && out.back().kind == event.kind &&
        out.back().tool_index == event.tool_index) {
      out.back().text += event.text;
    } else {
      out.push_back(event);
    }
  }
  return out;
}

// Feeds `text` in pieces of the lengths that `next_length` gives.
template <typename NextLength>
std::vector<OutputEvent> Feed(std::string_view text, const OutputParserOptions& options,
                              NextLength next_length) {
  OutputParser parser(options);
  std::vector<OutputEvent> events;
  const auto add = [&](std::vector<OutputEvent> more) {
    events.insert(events.end(), more.begin(), more.end());
  };
  while (!text.empty()) {
    const size_t length = std::min(text.size(), next_length());
    add(parser.Push(text.substr(0, length)));
    text.remove_prefix(length);
  }
  add(parser.Finish());
  return Joined(events);
}

std::string ArgumentsOf(std::string_view parameters) {
  const ParsedOutput output = ParseOutput(
      fmt::format("<tool_call><function=write>{}</function></tool_call>", parameters), WithTools());
  return output.tool_calls.size() == 1 ? DumpJson(output.tool_calls[0].arguments) : "not one call";
}

std::string ArgumentOf(std::string_view name, std::string_view value) {
  const std::string json = ArgumentsOf(fmt::format("<parameter={}>{}</parameter>", name, value));
  return json.substr(name.size() + 4, json.size() - name.size() - 5);
}

TEST(OutputParser, SeparatesReasoningFromTheAnswer) {
  const ParsedOutput output = ParseOutput("<think>\nHm.\n</think>\n\nFour.", WithTools());
  EXPECT_EQ(output.reasoning, "\nHm.\n");
  EXPECT_EQ(output.content, "\n\nFour.");
}

TEST(OutputParser, BeginsInReasoningWhereThePromptOpenedIt) {
  for (const char* text : {"Hm.</think>Four.", "<think>Hm.</think>Four.", "\n<think>Hm.</think>Four."}) {
    const ParsedOutput output = ParseOutput(text, {.starts_in_reasoning = true});
    EXPECT_EQ(output.reasoning, "Hm.") << text;
    EXPECT_EQ(output.content, "Four.") << text;
  }
}

TEST(OutputParser, KeepsTagsThatTheAnswerQuotes) {
  const std::string quoted = "The tags are <think>, </think> and <tool_call>, or <tool_call>\n<b>.";
  EXPECT_EQ(ParseOutput("<think></think>" + quoted, WithTools()).content, quoted);
  EXPECT_EQ(ParseOutput(quoted, WithTools()).content, quoted);
}

TEST(OutputParser, TakesCallsInsideReasoningForThoughts) {
  const ParsedOutput output =
      ParseOutput("<think><tool_call><function=ping></function></tool_call></think>No.", WithTools());
  EXPECT_EQ(output.reasoning, "<tool_call><function=ping></function></tool_call>");
  EXPECT_EQ(output.content, "No.");
  EXPECT_TRUE(output.tool_calls.empty());
}

TEST(OutputParser, ReadsCallsOverLinesAndOnOneLine) {
  const std::string lines =
      "<think>x</think>Writing.<tool_call>\n<function=write>\n<parameter=path>/a b</parameter>\n"
      "<parameter=line>12</parameter>\n</function>\n</tool_call>";
  const std::string line =
      "<think>x</think>Writing.<tool_call><function=write><parameter=path>/a b</parameter>"
      "<parameter=line>12</parameter></function></tool_call>";
  for (const std::string& text : {lines, line}) {
    const ParsedOutput output = ParseOutput(text, WithTools());
    EXPECT_EQ(output.content, "Writing.");
    ASSERT_EQ(output.tool_calls.size(), 1u);
    EXPECT_EQ(output.tool_calls[0].name, "write");
    EXPECT_EQ(DumpJson(output.tool_calls[0].arguments), R"({"path":"/a b","line":12})");
  }
}

TEST(OutputParser, NumbersSeveralCallsAndDropsTheLayoutBetweenThem) {
  const std::string text =
      "</think>\n\n<tool_call>\n<function=ping>\n</function>\n</tool_call>\n<tool_call><function=ping></"
      "function>"
      "</tool_call>\n";
  const std::vector<OutputEvent> events =
      Feed(text, {.starts_in_reasoning = true, .parse_tool_calls = true}, [] { return std::string::npos; });
  using Kind = OutputEvent::Kind;
  EXPECT_EQ(events, (std::vector<OutputEvent>{{Kind::kToolCallBegin, "ping", 0},
                                              {Kind::kToolArguments, "{}", 0},
                                              {Kind::kToolCallEnd, "", 0},
                                              {Kind::kToolCallBegin, "ping", 1},
                                              {Kind::kToolArguments, "{}", 1},
                                              {Kind::kToolCallEnd, "", 1}}));
}

TEST(OutputParser, KeepsWhiteSpaceThatBelongsToText) {
  EXPECT_EQ(ParseOutput(" \n", WithTools()).content, " \n");
  EXPECT_EQ(ParseOutput("A \n<tool_call><function=ping></function></tool_call>\n\nB\n", WithTools()).content,
            "A \n\n\nB\n");
}

TEST(OutputParser, ReadsCallsWrittenAsJson) {
  const ParsedOutput output = ParseOutput(
      "<tool_call>\n{\"name\": \"write\", \"arguments\": {\"path\": \"}{\\\"\", \"line\": 1}}\n</tool_call>\n"
      "<tool_call>{\"name\":\"ping\"}</tool_call>"
      "<tool_call>{\"name\":\"ping\",\"arguments\":\"{\\\"a\\\":1}\"}</tool_call>",
      WithTools());
  ASSERT_EQ(output.tool_calls.size(), 3u);
  EXPECT_EQ(DumpJson(output.tool_calls[0].arguments), R"({"path":"}{\"","line":1})");
  EXPECT_EQ(DumpJson(output.tool_calls[1].arguments), "{}");
  EXPECT_EQ(DumpJson(output.tool_calls[2].arguments), R"({"a":1})");
  EXPECT_EQ(output.content, "");
}

TEST(OutputParser, ShowsJsonThatIsNotACallAsText) {
  const std::string text = "<tool_call>{\"a\": 1}</tool_call>";
  EXPECT_EQ(ParseOutput(text, WithTools()).content, text);
}

TEST(OutputParser, TakesAnObjectInThePlaceOfParameters) {
  EXPECT_EQ(ArgumentsOf("\n{\"path\": \"</function>\", \"line\": 2}\n"),
            R"({"path":"</function>","line":2})");
}

TEST(OutputParser, LeavesCallsAloneWhenTheyAreNotAskedFor) {
  const std::string text = "\n<tool_call><function=ping></function></tool_call>";
  EXPECT_EQ(ParseOutput(text, {}).content, text);
}

TEST(OutputParser, DoesNotCloseWhatTheModelLeftOpen) {
  const std::string text = "<tool_call><function=write><parameter=path>abc</para";
  const std::vector<OutputEvent> events = Feed(text, WithTools(), [] { return size_t{1}; });
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].text, "{\"path\": \"abc");
  EXPECT_TRUE(ParseOutput(text, WithTools()).tool_calls.empty());
}

TEST(OutputParser, StreamsTextArgumentsAsTheyArrive) {
  OutputParser parser(WithTools());
  parser.Push("<tool_call><function=write><parameter=path>");
  const std::vector<OutputEvent> events = parser.Push("one\n\"");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].text, "one\\n\\\"");
}

TEST(OutputParser, ConvertsValuesByTheirSchema) {
  EXPECT_EQ(ArgumentOf("path", "12"), R"("12")");
  EXPECT_EQ(ArgumentOf("path", "null"), R"("null")");
  EXPECT_EQ(ArgumentOf("unknown", "12"), R"("12")");
  EXPECT_EQ(ArgumentOf("line", " -12\n"), "-12");
  EXPECT_EQ(ArgumentOf("line", "many"), R"("many")");
  EXPECT_EQ(ArgumentOf("line", "007"), R"("007")");
  EXPECT_EQ(ArgumentOf("ratio", "0.5"), "0.5");
  EXPECT_EQ(ArgumentOf("append", "True"), "true");
  EXPECT_EQ(ArgumentOf("append", "false"), "false");
  EXPECT_EQ(ArgumentOf("append", "yes"), R"("yes")");
  EXPECT_EQ(ArgumentOf("tags", "[\"a\", 1]"), R"(["a",1])");
  EXPECT_EQ(ArgumentOf("options", "{\"a\": {}}"), R"({"a":{}})");
  EXPECT_EQ(ArgumentOf("options", "{a: 1}"), R"("{a: 1}")");
  EXPECT_EQ(ArgumentOf("point", "{\"x\": 1}"), R"({"x":1})");
  EXPECT_EQ(ArgumentOf("mode", "fast"), R"("fast")");
  EXPECT_EQ(ArgumentOf("mixed", "5"), "5");
  EXPECT_EQ(ArgumentOf("mixed", "5 a"), R"("5 a")");
  EXPECT_EQ(ArgumentOf("any", "[1]"), "[1]");
  EXPECT_EQ(ArgumentOf("any", "word"), R"("word")");
  EXPECT_EQ(ArgumentOf("loop", "true"), "true");
}

TEST(OutputParser, ReadsNullWhereTheSchemaAdmitsIt) {
  EXPECT_EQ(ArgumentOf("note", "null"), "null");
  EXPECT_EQ(ArgumentOf("note", "None"), "null");
  EXPECT_EQ(ArgumentOf("note", "nul"), R"("nul")");
  EXPECT_EQ(ArgumentOf("note", "nullable"), R"("nullable")");
  EXPECT_EQ(ArgumentOf("note", ""), R"("")");
  EXPECT_EQ(ArgumentOf("limit", "null"), "null");
  EXPECT_EQ(ArgumentOf("limit", "3"), "3");
}

TEST(OutputParser, KeepsTextArgumentsVerbatim) {
  EXPECT_EQ(ArgumentOf("path", "\n a &amp; <b> </function> \n"), R"("\n a &amp; <b> </function> \n")");
  EXPECT_EQ(ArgumentOf("path", "</parameter</p"), R"("</parameter</p")");
}

TEST(OutputParser, SurvivesMissingClosingTags) {
  const ParsedOutput output = ParseOutput(
      "<tool_call><function=ping></tool_call><tool_call><function=ping></function><function=ping></function>"
      "<tool_call><function=ping></function></tool_call>end",
      WithTools());
  EXPECT_EQ(output.tool_calls.size(), 4u);
  EXPECT_EQ(output.content, "end");
}

TEST(OutputParser, HoldsLittleOfAnEndlessArgument) {
  OutputParser parser(WithTools());
  parser.Push("<tool_call><function=write><parameter=options>");
  size_t num_bytes_out = 0;
  const std::string piece(1 << 16, 'a');
  for (int i = 0; i < 64; ++i) {
    for (const OutputEvent& event : parser.Push(piece)) num_bytes_out += event.text.size();
  }
  EXPECT_GE(num_bytes_out, (size_t{64} << 16) - (size_t{1} << 20));
}

// Texts made of the marks: the places where a split could matter.
std::string RandomText(std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {"<think>",
                                                 "</think>",
                                                 "<tool_call>",
                                                 "</tool_call>",
                                                 "<function=write>",
                                                 "<function=ping>",
                                                 "</function>",
                                                 "<parameter=path>",
                                                 "<parameter=line>",
                                                 "<parameter=note>",
                                                 "<parameter=any>",
                                                 "</parameter>",
                                                 "\n",
                                                 " ",
                                                 "<",
                                                 ">",
                                                 "nu",
                                                 "ll",
                                                 "12",
                                                 "{\"name\": \"ping\"}",
                                                 "{",
                                                 "}",
                                                 "\"",
                                                 "\\",
                                                 "é日",
                                                 "a",
                                                 "<tool_",
                                                 "</para",
                                                 "[1]",
                                                 "True"};
  std::string text;
  const size_t num_pieces = random() % 24;
  for (size_t i = 0; i < num_pieces; ++i) {
    // Mostly in an order that makes calls, or few of them would get deep into the grammar.
    text += random() % 3 == 0 ? "<tool_call>\n<function=write>\n<parameter=note>"
                              : kPieces[random() % std::size(kPieces)];
  }
  return text;
}

TEST(OutputParser, GivesTheSameEventsForEverySplit) {
  std::mt19937 random(7);
  for (int i = 0; i < 4000; ++i) {
    const std::string text = RandomText(random);
    OutputParserOptions options = WithTools();
    options.starts_in_reasoning = random() % 2 == 0;
    options.parse_tool_calls = random() % 8 != 0;
    const std::vector<OutputEvent> whole = Feed(text, options, [] { return std::string::npos; });
    EXPECT_EQ(Feed(text, options, [] { return size_t{1}; }), whole) << text;
    EXPECT_EQ(Feed(text, options, [&] { return size_t{1} + random() % 9; }), whole) << text;
  }
}

Json RandomValue(std::mt19937& random, std::string_view type) {
  static constexpr std::string_view kTexts[] = {
      "",     "a",    "\n",   " x ",       "12", "true", "<tool_call>", "</func", "</function>\n</tool_call>",
      "\"\\", "日本", "&lt;", "<|im_end|>"};
  if (type == "line") return static_cast<int64_t>(random()) - (int64_t{1} << 31);
  if (type == "ratio") return static_cast<double>(random()) / 1024.0;
  if (type == "append") return random() % 2 == 0;
  if (type == "tags") return Json::array({1, "x\n", nullptr, 1.5});
  if (type == "options") return Json{{"a", "</p>"}, {"b", Json::array()}};
  if (type == "limit") return nullptr;
  return kTexts[random() % std::size(kTexts)];
}

TEST(OutputParser, ReadsBackTheCallsThatTheTemplatesWrite) {
  std::mt19937 random(11);
  static constexpr std::string_view kNames[] = {"path", "line",    "ratio", "append",
                                                "tags", "options", "limit", "new"};
  for (int i = 0; i < 1000; ++i) {
    ChatRequest request;
    request.add_generation_prompt = false;
    request.messages.resize(2);
    request.messages[0].role = "user";
    ChatMessage& answer = request.messages[1];
    answer.role = "assistant";
    answer.content = random() % 2 == 0 ? "Text." : "";
    const size_t num_calls = 1 + random() % 3;
    for (size_t k = 0; k < num_calls; ++k) {
      Json arguments = Json::object();
      for (const std::string_view name : kNames) {
        if (random() % 2 == 0) arguments[std::string(name)] = RandomValue(random, name);
      }
      answer.tool_calls.push_back({"", "write", arguments});
    }
    for (const auto kind : {ChatTemplateKind::kMimo7B, ChatTemplateKind::kMimoV2Flash,
                            ChatTemplateKind::kMimoV25, ChatTemplateKind::kMimoV26}) {
      const bool thinks = kind != ChatTemplateKind::kMimo7B;  // it does not show past reasoning
      if (thinks) answer.reasoning_content = "Why <tool_call> not\n";
      std::string text = ChatTemplate(kind).Render(request).value();
      const std::string start = "<|im_start|>assistant";
      text = text.substr(text.rfind(start) + start.size() + 1);
      text = text.substr(0, text.rfind("<|im_end|>"));
      const ParsedOutput output = ParseOutput(text, WithTools());
      EXPECT_EQ(output.reasoning, thinks ? *answer.reasoning_content : "");
      EXPECT_EQ(output.content, thinks || answer.content.empty() ? answer.content : answer.content + "\n");
      ASSERT_EQ(output.tool_calls.size(), num_calls) << text;
      for (size_t k = 0; k < num_calls; ++k) {
        EXPECT_EQ(output.tool_calls[k].name, "write");
        EXPECT_EQ(output.tool_calls[k].arguments, answer.tool_calls[k].arguments) << text;
      }
    }
  }
}

TEST(OutputParser, TakesTimeInProportionToTheText) {
  for (const std::string_view unit :
       {"<tool_call>{", "<tool_call>\n\n\n\n<", "<tool_call><function=a", "</think", "<think>"}) {
    std::string text;
    while (text.size() < (size_t{1} << 21)) text += unit;
    const auto begin = std::chrono::steady_clock::now();
    ParseOutput(text, WithTools());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << unit;
  }
}

}  // namespace
}  // namespace mimo
