#include "text/sampled_reply.h"

#include <utility>

namespace mimo {

void SampledReply::Add(std::string_view text, std::span<const TokenId> tokens) {
  text_ += text;
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

void SampledReply::Remember(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                            SampledTurns& turns) const {
  if (tokens_.empty() || tokenizer.TokenBytes(tokens_.back()) != "<|im_end|>") return;
  ParsedOutput parsed = ParseOutput(text_, parser_);
  ChatMessage message = TextMessage("assistant", std::move(parsed.content));
  if (!parsed.reasoning.empty()) message.reasoning_content = std::move(parsed.reasoning);
  message.tool_calls = std::move(parsed.tool_calls);
  ChatRequest turn_alone;
  turn_alone.messages.push_back(std::move(message));
  turn_alone.add_generation_prompt = false;
  const Result<RenderedPrompt> rendered = chat_template.RenderPrompt(turn_alone);
  if (!rendered || rendered->assistant_turns.size() != 1) return;
  const TextRange& turn = rendered->assistant_turns.front();
  std::vector<TokenId> tokens = place_.opening;
  tokens.insert(tokens.end(), tokens_.begin(), tokens_.end());
  turns.Remember(place_.before, std::string_view(rendered->text).substr(turn.begin, turn.end - turn.begin),
                 std::move(tokens));
}

}  // namespace mimo
