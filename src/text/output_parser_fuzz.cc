// The law of the output parser: the events do not depend on how the bytes are split. The first byte gives the
// options and the split, the rest is what the model said.

#include <cstdlib>
#include <string_view>

#include "text/output_parser.h"

namespace mimo {
namespace {

bool IsText(const OutputEvent& event) {
  return event.kind != OutputEvent::Kind::kToolCallBegin && event.kind != OutputEvent::Kind::kToolCallEnd;
}

void Add(std::vector<OutputEvent> more, std::vector<OutputEvent>* events) {
  for (OutputEvent& event : more) {
    if (IsText(event) && !events->empty() && events->back().kind == event.kind &&
        events->back().tool_index == event.tool_index) {
      events->back().text += event.text;
    } else {
      events->push_back(std::move(event));
    }
  }
}

std::vector<OutputEvent> Feed(std::string_view text, const OutputParserOptions& options, size_t piece) {
  OutputParser parser(options);
  std::vector<OutputEvent> events;
  for (size_t i = 0; i < text.size(); i += piece) Add(parser.Push(text.substr(i, piece)), &events);
  Add(parser.Finish(), &events);
  return events;
}

std::vector<ToolDefinition> Tools() {
  ToolDefinition tool;
  tool.name = "f";
  tool.parameters = ParseJson(R"({"properties": {"s": {"type": "string"}, "i": {"type": "integer"}, "a": {},
      "n": {"type": ["string", "null"]}, "o": {"type": "object"}, "b": {"type": "boolean"}}})")
                        .value();
  return {tool};
}

}  // namespace
}  // namespace mimo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  if (size == 0) return 0;
  static const std::vector<ToolDefinition> kTools = Tools();
  const OutputParserOptions options = {
      .starts_in_reasoning = (data[0] & 1) != 0, .parse_tool_calls = (data[0] & 2) == 0, .tools = kTools};
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::vector<OutputEvent> whole = Feed(text, options, size);
  if (Feed(text, options, 1 + data[0] / 4 % 16) != whole) std::abort();
  return 0;
}
