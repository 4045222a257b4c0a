#include "text/encode_prompt.h"

#include <string_view>

namespace mimo {

std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt) {
  const std::string_view text = prompt.text;
  std::vector<TokenId> tokens;
  const auto append = [&](size_t begin, size_t end, AddedTokens added_tokens) {
    const std::vector<TokenId> part = tokenizer.Encode(text.substr(begin, end - begin), added_tokens);
    tokens.insert(tokens.end(), part.begin(), part.end());
  };
  size_t done = 0;
  for (const TextRange& range : prompt.plain_text_ranges) {
    append(done, range.begin, AddedTokens::kParse);
    append(range.begin, range.end, AddedTokens::kPlainText);
    done = range.end;
  }
  append(done, text.size(), AddedTokens::kParse);
  return tokens;
}

}  // namespace mimo
