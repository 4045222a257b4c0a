#pragma once
// The metadata of a GGUF file of architecture mimo2: the keys that llama.cpp's loader requires, and those
// that ConfigFromGguf and TokenizerFromGguf translate back. docs/formats/checkpoints.md lists them.

#include <cstdint>
#include <string_view>

#include "weights/checkpoint.h"
#include "weights/gguf_writer.h"
#include "weights/model_config.h"

namespace mimo {

// general.*; `type` is that of most matrices.
void AddGgufGeneral(std::string_view name, StoredType type, GgufHeaderBuilder* gguf);

// mimo2.*. What the format has one number for is taken from full attention; so where sliding attention
// differs, the file says something else than `config`, and ConfigFromGguf shows it.
void AddGgufConfig(const ModelConfig& config, GgufHeaderBuilder* gguf);

// tokenizer.*, the vocabulary padded to the rows of the embedding. A source without tokens says that there is
// no vocabulary. Requires: at most config.vocab_size tokens.
void AddGgufTokenizer(const TokenizerSource& source, const ModelConfig& config, GgufHeaderBuilder* gguf);

}  // namespace mimo
