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
#include "weights/importance_matrix.h"

namespace mimo {

// Another type for the matrices whose GGUF name contains a match of the regular expression.
struct TypeRule {
  std::string pattern;  // ECMAScript
  StoredType type = StoredType::kF32;
};

// Types: those of quantize_row.h. Where rows are no whole blocks of a type, FittingType replaces it, with a
// warning.
struct RequantizeOptions {
  StoredType type = StoredType::kQ80;  // without bits_per_weight
  std::vector<TypeRule> rules;         // the last one that matches counts
  // Not 0: chooses the type of each matrix that no rule is about, so that the squared errors of all matrices,
  // each relative to the matrix, have the least sum and all tensors together at most so many bits per weight.
  // docs/decisions/0012-writing-quantised-types.md says why.
  double bits_per_weight = 0;
  const ImportanceMatrix* importance = nullptr;  // or null: all columns count alike; must outlive the call
  std::string importance_name;                   // what the file says it was made with
  std::string name;                              // general.name
  TokenizerSource tokenizer;                     // its GGUF fields
  uint32_t num_threads = 0;                      // 0 = one per core; the bytes do not depend on it
  const std::atomic<bool>* cancelled = nullptr;  // when it becomes true, writing ends with kCancelled
};

// What bits_per_weight chose.
struct TypeChoice {
  std::string name;
  StoredType type = StoredType::kF32;
  uint64_t parameters = 0;
  uint64_t bytes = 0;
  double error = 0;  // relative to the matrix, root of the mean square, weighted by importance
};

struct RequantizeSummary {
  uint64_t parameters = 0;
  uint64_t bytes = 0;  // of tensors
  std::vector<TypeChoice> choices;
};

// Writes `out`. It appears under its name only when it is whole; until then it is called `out`.partial.
// kInvalidArgument for a rule that is no regular expression or matches nothing, for numbers that are not
// finite or too large, for an importance matrix of another model, and for too few bits per weight.
// kUnimplemented for what GGUF cannot say: MiMo-7B, or sliding attention with other heads than full
// attention.
Result<RequantizeSummary> Requantize(const Checkpoint& checkpoint, const std::string& out,
                                     const RequantizeOptions& options);

}  // namespace mimo
