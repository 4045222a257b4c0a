#include "text/tokenizer.h"
#include "text/unicode.h"

namespace mimo {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer), skip_special_(skip_special) {}

std::string Detokenizer::Push(TokenId token) {
  if (skip_special_ && tokenizer_->IsSpecial(token)) return {};
  pending_.append(tokenizer_->TokenBytes(token));
  const size_t complete = pending_.size() - UnfinishedUtf8Suffix(pending_);
  std::string text = ReplaceInvalidUtf8(std::string_view(pending_).substr(0, complete));
  pending_.erase(0, complete);
  return text;
}

std::string Detokenizer::Finish() {
  std::string text = ReplaceInvalidUtf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace mimo
