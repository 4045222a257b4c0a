#pragma once
// The text side of a checkpoint in the form that a GGUF file carries.

#include "base/status.h"
#include "text/tokenizer.h"
#include "weights/checkpoint.h"

namespace mimo {

// Fills the GGUF fields of `source` from `data`. Errors are those of GgufVocabularyFrom.
Status SetGgufTokenizer(const TokenizerData& data, TokenizerSource* source);

}  // namespace mimo
