#pragma once
// Checkpoints of random weights in the layouts of the released ones, for capacity and speed work.
// docs/formats/synthetic.md says what is in them.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "weights/checkpoint.h"

namespace mimo {

enum class SynthType : uint8_t {
  kAsReleased,  // FP8, or MXFP4 experts and FP8; bf16 in GGUF
  kBf16,
  kF16,  // GGUF only
  kF32,
  kFp8,    // folder only
  kMxFp4,  // folder only: experts MXFP4, the rest FP8
  kQ80,    // GGUF only
};

struct SynthOptions {
  std::string like;  // flash, v2.5, v2.5-pro, v2.6-flash, v2.6-pro
  std::vector<ConfigOverride> overrides;
  SynthType type = SynthType::kAsReleased;
  uint64_t seed = 0;
  uint32_t num_threads = 0;                      // 0 = one per core; the bytes do not depend on it
  uint64_t shard_bytes_max = 4'000'000'000;      // of one .safetensors file, if its tensors allow
  TokenizerSource tokenizer;                     // written as it is: the form that the output needs
  const std::atomic<bool>* cancelled = nullptr;  // when it becomes true, writing ends with kCancelled
};

struct SynthSummary {
  uint64_t parameters = 0;
  uint64_t bytes = 0;  // of tensors
  uint32_t files = 0;  // with tensors
};

// The vocabulary size that such a checkpoint will have; for cutting a tokenizer to it.
Result<uint32_t> SynthVocabSize(const SynthOptions& options);

// Writes `out`: a .gguf file if it ends so, else a folder, which is made. Files of that name are replaced.
// The index (the config, without one) comes last, so that an interrupted folder cannot be taken for a whole
// one. Memory use is a few MiB beside the tensor list.
Result<SynthSummary> WriteSynthCheckpoint(const std::string& out, const SynthOptions& options);

}  // namespace mimo
