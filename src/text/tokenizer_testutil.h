#pragma once
// Tokenizers for tests.

#include "base/check.h"
#include "text/bpe_byte_alphabet.h"
#include "text/builtin_vocabulary.h"
#include "text/tokenizer.h"

namespace mimo {

// Of the vocabulary that is compiled in. Made once per test program, because that takes a third of a second.
inline const Tokenizer& BuiltinTokenizer() {
  static const Tokenizer kTokenizer = [] {
    Result<TokenizerData> data = BuiltinMimoVocabulary();
    MIMO_CHECK(data);
    Result<Tokenizer> created = Tokenizer::Create(*std::move(data));
    MIMO_CHECK(created);
    return *std::move(created);
  }();
  return kTokenizer;
}

// Token b is byte b; no merges, no added tokens.
inline TokenizerData ByteVocabulary() {
  TokenizerData data;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    data.tokens.push_back(EncodeByteAlphabet({&c, 1}));
  }
  return data;
}

// Adds the token left + right and the merge that makes it. Returns its id.
inline TokenId AddMerge(TokenizerData& data, const std::string& left, const std::string& right) {
  data.merges.emplace_back(left, right);
  data.tokens.push_back(left + right);
  return static_cast<TokenId>(data.tokens.size() - 1);
}

inline Tokenizer MakeTokenizer(TokenizerData data) {
  Result<Tokenizer> tokenizer = Tokenizer::Create(std::move(data));
  MIMO_CHECK(tokenizer);
  return *std::move(tokenizer);
}

}  // namespace mimo
