#include "text/encode_prompt.h"

#include <string_view>
#include <utility>

namespace mimo {
namespace {

class PromptEncoder {
 public:
  PromptEncoder(const Tokenizer& tokenizer, const RenderedPrompt& prompt)
      : tokenizer_(tokenizer), prompt_(prompt) {}

  // Appends the tokens of the text from where the last call ended.
  void EncodeTo(size_t end) {
    for (; next_range_ < prompt_.plain_text_ranges.size(); ++next_range_) {
      const TextRange& range = prompt_.plain_text_ranges[next_range_];
      if (range.end > end) break;
      if (range.begin < done_) continue;  // it was replaced
      Append(range.begin, AddedTokens::kParse);
      Append(range.end, AddedTokens::kPlainText);
    }
    Append(end, AddedTokens::kParse);
  }

  void Replace(const TextRange& range, const std::vector<TokenId>& tokens) {
    EncodeTo(range.begin);
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    done_ = range.end;
  }

  std::vector<TokenId> Finish() && {
    EncodeTo(prompt_.text.size());
    return std::move(tokens_);
  }

 private:
  void Append(size_t end, AddedTokens added_tokens) {
    const auto text = std::string_view(prompt_.text).substr(done_, end - done_);
    const std::vector<TokenId> part = tokenizer_.Encode(text, added_tokens);
    tokens_.insert(tokens_.end(), part.begin(), part.end());
    done_ = end;
  }

  const Tokenizer& tokenizer_;
  const RenderedPrompt& prompt_;
  std::vector<TokenId> tokens_;
  size_t done_ = 0;        // bytes of the text
  size_t next_range_ = 0;  // of the plain ones
};

}  // namespace

std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt,
                                  SampledTurns* sampled, std::string_view salt) {
  PromptEncoder encoder(tokenizer, prompt);
  if (sampled == nullptr) return std::move(encoder).Finish();
  const std::string_view text = prompt.text;
  TextHash before;
  before.Append(salt);
  size_t hashed = 0;
  for (const TextRange& turn : prompt.assistant_turns) {
    before.Append(text.substr(hashed, turn.begin - hashed));
    hashed = turn.begin;
    const std::vector<TokenId> tokens =
        sampled->Find(before.value(), text.substr(turn.begin, turn.end - turn.begin));
    if (!tokens.empty()) encoder.Replace(turn, tokens);
  }
  encoder.EncodeTo(prompt.reply_begin);  // so that a reply stands where a past turn would
  return std::move(encoder).Finish();
}

ReplyPlace PlaceOfReply(const Tokenizer& tokenizer, const RenderedPrompt& prompt, std::string_view salt) {
  const std::string_view text = prompt.text;
  TextHash before;
  before.Append(salt);
  before.Append(text.substr(0, prompt.reply_begin));
  return {.before = before.value(),
          .opening = tokenizer.Encode(text.substr(prompt.reply_begin), AddedTokens::kParse)};
}

}  // namespace mimo
