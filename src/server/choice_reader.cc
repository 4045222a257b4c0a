#include "server/choice_reader.h"

#include <algorithm>

namespace mimo {
namespace {

constexpr std::string_view kThinkBegin = "<think>";
constexpr std::string_view kThinkEnd = "</think>";

}  // namespace

void ReasoningCounter::Push(std::string_view token_bytes) {
  if (state_ == State::kAfter) return;
  tail_ += token_bytes;
  if (state_ == State::kBefore) {
    // Reasoning begins only at the very start, perhaps after white space.
    ++tokens_before_;
    const size_t begin = tail_.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) {
      tail_.clear();
      return;
    }
    const std::string_view text = std::string_view(tail_).substr(begin);
    if (text.starts_with(kThinkBegin)) {
      state_ = State::kInside;
      tokens_ = tokens_before_;
      tail_.erase(0, begin + kThinkBegin.size());
    } else if (!kThinkBegin.starts_with(text)) {
      state_ = State::kAfter;
    }
  } else {
    ++tokens_;
  }
  if (state_ != State::kInside) return;
  if (tail_.find(kThinkEnd) != std::string::npos) state_ = State::kAfter;
  if (tail_.size() > kThinkEnd.size()) tail_.erase(0, tail_.size() - kThinkEnd.size());
}

ChoiceReader::ChoiceReader(const OutputParserOptions& parser, bool parallel_tool_calls,
                           const Tokenizer& tokenizer)
    : parser_(parser),
      parallel_tool_calls_(parallel_tool_calls),
      tokenizer_(tokenizer),
      reasoning_(parser.starts_in_reasoning) {}

void ChoiceReader::Append(std::vector<OutputEvent> events, std::vector<OutputEvent>& result) {
  for (OutputEvent& event : events) {
    if (wants_cancel()) return;
    if (event.kind == OutputEvent::Kind::kToolCallBegin) call_has_arguments_ = false;
    if (event.kind == OutputEvent::Kind::kToolArguments && !event.text.empty()) call_has_arguments_ = true;
    if (event.kind == OutputEvent::Kind::kToolCallEnd) {
      ++calls_ended_;
      // Clients parse the concatenated arguments: a call without any is {}, never "".
      if (!call_has_arguments_) {
        result.push_back(
            {.kind = OutputEvent::Kind::kToolArguments, .text = "{}", .tool_index = event.tool_index});
      }
    }
    result.push_back(std::move(event));
  }
}

ChoiceEnd ChoiceReader::EndOf(FinishReason finish) const {
  switch (finish) {
    case FinishReason::kLength:
      return ChoiceEnd::kLength;
    case FinishReason::kStop:
      return calls_ended_ > 0 ? ChoiceEnd::kToolCalls : ChoiceEnd::kStop;
    case FinishReason::kCancelled:
      return wants_cancel() ? ChoiceEnd::kToolCalls : ChoiceEnd::kCancelled;
    case FinishReason::kError:
      break;
  }
  return ChoiceEnd::kError;
}

ChoicePieces ChoiceReader::Read(const GenerationEvent& event) {
  ChoicePieces pieces;
  usage_ = event.usage;
  pieces.tokens = event.tokens;
  const bool stopped_by_token = event.finish == FinishReason::kStop && event.stop_string.empty();
  if (stopped_by_token && !pieces.tokens.empty()) pieces.tokens.pop_back();
  for (const SampledToken& token : pieces.tokens) reasoning_.Push(tokenizer_.TokenBytes(token.token));
  Append(parser_.Push(event.text), pieces.events);
  if (event.finish) {
    Append(parser_.Finish(), pieces.events);
    pieces.end = EndOf(*event.finish);
    if (pieces.end == ChoiceEnd::kStop) pieces.stop_string = event.stop_string;
    pieces.error = event.error;
  }
  pieces.usage = usage_;
  pieces.reasoning_tokens = reasoning_.tokens();
  return pieces;
}

TokenCounts CountTokens(const std::vector<ChoiceReader>& choices, size_t choices_per_prompt) {
  TokenCounts counts;
  for (size_t index = 0; index < choices.size(); ++index) {
    counts.completion += choices[index].usage().completion_tokens;
    counts.reasoning += choices[index].reasoning_tokens();
    if (index % choices_per_prompt != 0) continue;
    counts.prompt += choices[index].usage().prompt_tokens;
    counts.cached += choices[index].usage().cached_tokens;
  }
  return counts;
}

TokenCounts CountTokens(const std::vector<ChoiceReader>& choices) {
  return CountTokens(choices, std::max<size_t>(choices.size(), 1));
}

}  // namespace mimo
