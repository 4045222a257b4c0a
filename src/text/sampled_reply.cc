#include "text/sampled_reply.h"

#include <utility>

namespace mimo {

void SampledReply::Add(std::string_view text, std::span<const TokenId> tokens) {
  text_ += text;
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

std::optional<SampledTurn> SampledReply::Turn(const ChatTemplate& chat_template,
                                              const Tokenizer& tokenizer) const {
  if (tokens_.empty() || tokenizer.TokenBytes(tokens_.back()) != "<|im_end|>") return std::nullopt;
  ParsedOutput parsed = ParseOutput(text_, parser_);
  ChatMessage message = TextMessage("assistant", std::move(parsed.content));
  if (!parsed.reasoning.empty()) message.reasoning_content = std::move(parsed.reasoning);
  message.tool_calls = std::move(parsed.tool_calls);
  ChatRequest turn_alone;
  turn_alone.messages.push_back(std::move(message));
  turn_alone.add_generation_prompt = false;
  const Result<RenderedPrompt> rendered = chat_template.RenderPrompt(turn_alone);
  if (!rendered || rendered->assistant_turns.size() != 1) return std::nullopt;
  const TextRange& range = rendered->assistant_turns.front();
  SampledTurn turn{.before = place_.before,
                   .text = rendered->text.substr(range.begin, range.end - range.begin),
                   .tokens = place_.opening};
  turn.tokens.insert(turn.tokens.end(), tokens_.begin(), tokens_.end());
  return turn;
}

}  // namespace mimo
