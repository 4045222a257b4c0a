// GGUF's tokenizer.ggml.* keys.

#include "text/tokenizer.h"

namespace mimo {
namespace {

// On-disk values of tokenizer.ggml.token_type: never renumber.
enum GgufTokenType : int32_t {
  kGgufNormal = 1,
  kGgufUnknown = 2,
  kGgufControl = 3,
  kGgufUserDefined = 4,
  kGgufUnused = 5,
  kGgufByte = 6,
};

}  // namespace

Result<TokenizerData> TokenizerDataFromGguf(const GgufVocabulary& vocabulary) {
  if (vocabulary.pre_tokenizer != "qwen2") {
    return Unimplemented("tokenizer.ggml.pre: '{}' is not implemented, only qwen2 is",
                         vocabulary.pre_tokenizer);
  }
  if (vocabulary.tokens.size() != vocabulary.token_types.size()) {
    return InvalidArgument("tokenizer.ggml: {} tokens but {} token types", vocabulary.tokens.size(),
                           vocabulary.token_types.size());
  }
  TokenizerData data;
  data.tokens.resize(vocabulary.tokens.size());
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string& token = vocabulary.tokens[i];
    // Converters fill the rows that no token uses with such names, in older files as user-defined tokens.
    const bool padding = token == fmt::format("[PAD{}]", i);
    switch (vocabulary.token_types[i]) {
      case kGgufNormal:
        data.tokens[i] = token;
        break;
      case kGgufControl:
        data.added_tokens.push_back({.id = id, .content = token, .special = true});
        break;
      case kGgufUserDefined:
        if (!padding) data.added_tokens.push_back({.id = id, .content = token});
        break;
      case kGgufUnused:
        break;
      case kGgufUnknown:
      case kGgufByte:
        return Unimplemented(
            "tokenizer.ggml.token_type: token {} has type {}, which byte-level vocabularies lack", i,
            vocabulary.token_types[i]);
      default:
        return InvalidArgument("tokenizer.ggml.token_type: token {} has type {}", i,
                               vocabulary.token_types[i]);
    }
  }
  for (const std::string& merge : vocabulary.merges) {
    const size_t space = merge.find(' ');
    if (space == std::string::npos || merge.find(' ', space + 1) != std::string::npos) {
      return InvalidArgument("tokenizer.ggml.merges: merge {} must be \"left right\"", data.merges.size());
    }
    data.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return data;
}

}  // namespace mimo
