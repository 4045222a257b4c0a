#include "text/sampled_reply.h"

#include <utility>

namespace mimo {
namespace {

constexpr std::string_view kTurnEnd = "<|im_end|>";

std::string BytesOf(const Tokenizer& tokenizer, std::span<const TokenId> tokens) {
  std::string bytes;
  for (const TokenId token : tokens) bytes += tokenizer.TokenBytes(token);
  return bytes;
}

}  // namespace

void SampledReply::Add(std::string_view text, std::span<const TokenId> tokens) {
  text_ += text;
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

std::optional<SampledTurn> SampledReply::Turn(const ChatTemplate& chat_template,
                                              const Tokenizer& tokenizer) const {
  if (tokens_.empty()) return std::nullopt;
  std::vector<TokenId> sampled = tokens_;
  if (tokenizer.TokenBytes(sampled.back()) != kTurnEnd) {
    // A grammar ends a reply where nothing can follow: the turn then ends there, too, though nobody said so.
    if (BytesOf(tokenizer, sampled) != text_) return std::nullopt;
    const std::vector<TokenId> end = tokenizer.Encode(kTurnEnd, AddedTokens::kParse);
    sampled.insert(sampled.end(), end.begin(), end.end());
  }
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
  turn.tokens.insert(turn.tokens.end(), sampled.begin(), sampled.end());
  return turn;
}

}  // namespace mimo
