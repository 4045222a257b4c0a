#pragma once
// One choice of a reply: engine events -> pieces of reasoning, answer and tool calls, with exact token
// counts. What every dialect needs before it writes its own JSON.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "server/price_card.h"
#include "text/output_parser.h"
#include "text/tokenizer.h"

namespace mimo {

// Counts the tokens of the reasoning block, its end marker included. By bytes rather than by ids, so that a
// marker that the model spells out in several tokens counts the same.
class ReasoningCounter {
 public:
  explicit ReasoningCounter(bool starts_in_reasoning)
      : state_(starts_in_reasoning ? State::kInside : State::kBefore) {}

  void Push(std::string_view token_bytes);
  uint32_t tokens() const { return tokens_; }

 private:
  enum class State { kBefore, kInside, kAfter };
  State state_;
  uint32_t tokens_ = 0;
  uint32_t tokens_before_ = 0;  // while a marker at the very start may still be completed
  std::string tail_;            // the last bytes that may begin a marker
};

enum class ChoiceEnd { kStop, kLength, kToolCalls, kCancelled, kError };

// The news of one engine event.
struct ChoicePieces {
  std::vector<OutputEvent> events;
  std::vector<SampledToken> tokens;  // without a stop token, which has no text
  std::optional<ChoiceEnd> end;
  std::string stop_string;           // with kStop: the stop string that was found, if it was one
  std::optional<EngineError> error;  // with kError
  GenerationUsage usage;             // of the choice so far, as the next
  uint32_t reasoning_tokens = 0;
};

class ChoiceReader {
 public:
  // `tokenizer` must outlive this. With `parallel_tool_calls` false everything after the first call is
  // dropped.
  ChoiceReader(const OutputParserOptions& parser, bool parallel_tool_calls, const Tokenizer& tokenizer);

  ChoicePieces Read(const GenerationEvent& event);

  // True when the rest of the generation would be dropped: cancel it. The end then reads as kToolCalls.
  bool wants_cancel() const { return calls_ended_ > 0 && !parallel_tool_calls_; }
  // Tokens so far.
  const GenerationUsage& usage() const { return usage_; }
  uint32_t reasoning_tokens() const { return reasoning_.tokens(); }

 private:
  // Appends what may still be shown.
  void Append(std::vector<OutputEvent> events, std::vector<OutputEvent>& result);
  ChoiceEnd EndOf(FinishReason finish) const;

  OutputParser parser_;
  const bool parallel_tool_calls_;
  const Tokenizer& tokenizer_;
  ReasoningCounter reasoning_;
  GenerationUsage usage_;
  uint32_t calls_ended_ = 0;
  bool call_has_arguments_ = false;
};

// What the choices of a reply used together. A prompt that several of them share counts once: choices 0 to
// choices_per_prompt - 1 share the first, and so on, or all of them one.
TokenCounts CountTokens(const std::vector<ChoiceReader>& choices, size_t choices_per_prompt);
TokenCounts CountTokens(const std::vector<ChoiceReader>& choices);

}  // namespace mimo
