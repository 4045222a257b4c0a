#pragma once
// Generated text -> reasoning, answer and tool calls, as a stream. docs/formats/chat-template.md has the
// grammar.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_message.h"

namespace mimo {

// One piece of a reply, in order.
struct OutputEvent {
  enum class Kind {
    kReasoning,      // text
    kContent,        // text
    kToolCallBegin,  // text = function name; starts call `tool_index`
    kToolArguments,  // text = the next fragment of the JSON of call `tool_index`
    kToolCallEnd,
  };
  Kind kind = Kind::kContent;
  std::string text;
  uint32_t tool_index = 0;

  bool operator==(const OutputEvent&) const = default;
};

struct OutputParserOptions {
  bool starts_in_reasoning = false;        // ChatTemplate::StartsInReasoning
  bool parse_tool_calls = false;           // false: tool-call text is content (tool_choice none, no tools)
  std::vector<ToolDefinition> tools = {};  // argument values are converted by these schemas
  bool is_plain_text = false;              // true: everything is content, tags and white space included
};

// The concatenated events of one kind are the same however the bytes are split between Push calls. Fed by
// bytes or by whole code points; events hold whole code points whenever the input does. Linear in the text;
// holds back at most the start of a tag, or one argument value that is not text (1 MiB, then it becomes
// text). Not thread-safe.
class OutputParser {
 public:
  explicit OutputParser(OutputParserOptions options);
  ~OutputParser();
  OutputParser(OutputParser&&) noexcept;
  OutputParser& operator=(OutputParser&&) noexcept;

  std::vector<OutputEvent> Push(std::string_view text);
  // Flushes what was held back. An unfinished tool call is not closed: its fragments stay incomplete.
  std::vector<OutputEvent> Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Collects events into one message (non-streaming replies). Calls that never ended are left out.
struct ParsedOutput {
  std::string reasoning;
  std::string content;
  std::vector<ToolCall> tool_calls;  // ids empty
};
ParsedOutput ParseOutput(std::string_view text, OutputParserOptions options);

}  // namespace mimo
