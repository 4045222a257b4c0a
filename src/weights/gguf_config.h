#pragma once
// The metadata of a GGUF file of architecture mimo2, translated to what a Hugging Face folder would say.

#include <functional>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "weights/checkpoint.h"
#include "weights/gguf.h"

namespace mimo {

// The same facts under the keys of config.json, for NormalizeConfig and InterpretConfig. `gguf` is the first
// shard. `find` tells which tensors any shard has (null: none of that name), because GGUF says only by their
// presence which layers are sparse, have sinks or a fused attn_qkv. kUnimplemented for another architecture.
using TensorFinder = std::function<const StoredTensor*(std::string_view name)>;
Result<Json> ConfigFromGguf(const GgufFile& gguf, const TensorFinder& find, std::string_view file_name);

// tokenizer.ggml.*; empty fields where the file has none.
Result<TokenizerSource> TokenizerFromGguf(const GgufFile& gguf, std::string_view file_name);

}  // namespace mimo
