#pragma once
// The vocabulary that is part of the program, and how to make others of it.

#include <cstdint>
#include <string>

#include "text/tokenizer.h"

namespace mimo {

// Qwen2's vocabulary with MiMo's added tokens: what the published MiMo-V2 checkpoints use. kDataLoss if the
// program file is damaged.
Result<TokenizerData> BuiltinMimoVocabulary();

// For small models: every id below `vocab_size`. Keeps the first tokens with the merges among them, and moves
// the added tokens behind them, in their order. A vocabulary that is small enough already stays as it is.
// kInvalidArgument if there is no room for 256 tokens (the bytes) and the added ones.
Result<TokenizerData> TruncateVocabulary(const TokenizerData& data, uint32_t vocab_size);

// A tokenizer.json that Hugging Face's `tokenizers` loads and ParseTokenizerJson reads back.
// Requires: the strings are valid UTF-8.
std::string TokenizerJson(const TokenizerData& data);

}  // namespace mimo
