#include "apps/commands/gguf_tokenizer.h"

#include <utility>

#include "text/gguf_vocabulary.h"

namespace mimo {

Status SetGgufTokenizer(const TokenizerData& data, TokenizerSource* source) {
  MIMO_ASSIGN_OR_RETURN(OwnedGgufVocabulary vocabulary, GgufVocabularyFrom(data));
  source->tokens = std::move(vocabulary.tokens);
  source->token_types = std::move(vocabulary.token_types);
  source->merges = std::move(vocabulary.merges);
  source->pre_tokenizer = std::move(vocabulary.pre_tokenizer);
  return {};
}

}  // namespace mimo
