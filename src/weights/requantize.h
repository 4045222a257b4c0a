#pragma once
// Any accepted checkpoint of the V2 family -> one GGUF file of architecture mimo2 with other weight types.
//
// Norms, biases and sinks become float32. The router keeps its type if that is a plain one, and becomes
// float32 otherwise: it decides which experts run, and is small. A fused qkv_proj of row chunks becomes the
// flat [Q | K | V] that llama.cpp reads. Tied embeddings are written twice, because llama.cpp wants both.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "weights/checkpoint.h"

namespace mimo {

// Another type for the matrices whose GGUF name contains a match of the regular expression.
struct TypeRule {
  std::string pattern;  // ECMAScript
  StoredType type = StoredType::kF32;
};

// Types: those of quantize_row.h.
struct RequantizeOptions {
  StoredType type = StoredType::kQ80;
  std::vector<TypeRule> rules;                   // the last one that matches counts
  std::string name;                              // general.name
  TokenizerSource tokenizer;                     // its GGUF fields
  uint32_t num_threads = 0;                      // 0 = one per core; the bytes do not depend on it
  const std::atomic<bool>* cancelled = nullptr;  // when it becomes true, writing ends with kCancelled
};

struct RequantizeSummary {
  uint64_t parameters = 0;
  uint64_t bytes = 0;  // of tensors
};

// Writes `out`. It appears under its name only when it is whole; until then it is called `out`.partial.
// kInvalidArgument for a rule that is no regular expression or matches nothing, for rows that a type cannot
// hold, and for numbers that are not finite or too large. kUnimplemented for what GGUF cannot say: MiMo-7B,
// or sliding attention with other heads than full attention.
Result<RequantizeSummary> Requantize(const Checkpoint& checkpoint, const std::string& out,
                                     const RequantizeOptions& options);

}  // namespace mimo
