#pragma once
// The way back from TokenizerDataFromGguf: a vocabulary as GGUF's tokenizer.ggml.* keys hold it.

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "text/tokenizer.h"

namespace mimo {

// Owns what a GgufVocabulary only points at.
struct OwnedGgufVocabulary {
  std::vector<std::string> tokens;
  std::vector<int32_t>
      token_types;  // 1 normal, 3 control (special), 4 user defined (other added), 5 no such id
  std::vector<std::string> merges;  // "left right"
  std::string pre_tokenizer;

  GgufVocabulary view() const { return {tokens, token_types, merges, pre_tokenizer}; }
};

// A Tokenizer made of the result gives the same ids as one made of `data`. kUnimplemented for what the format
// cannot say: no NFC normalisation; added tokens that take white space along, that must be whole words, or
// that are looked for in normalised text where that makes a difference; an added token that merges produce.
Result<OwnedGgufVocabulary> GgufVocabularyFrom(const TokenizerData& data);

}  // namespace mimo
