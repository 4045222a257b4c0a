#pragma once
// What a synthetic checkpoint consists of, before a byte is written.

#include <string>
#include <vector>

#include "base/json.h"
#include "weights/model_config.h"
#include "weights/safetensors_writer.h"
#include "weights/synth.h"
#include "weights/synth_random.h"
#include "weights/tensor_table.h"

namespace mimo {

struct SynthFile {
  std::string name;                   // inside the folder; empty for GGUF
  std::vector<TensorLayout> tensors;  // offsets set
  std::vector<SynthStream> streams;   // one for each tensor
  std::string header;                 // stands before the first tensor
};

struct SynthPlan {
  Json config;  // of config.json
  ModelConfig geometry;
  SynthType type = SynthType::kBf16;  // never kAsReleased
  bool router_is_bf16 = false;
  uint64_t parameters = 0;
  std::vector<SynthFile> files;
};

// Resolves type and geometry; `files` stays empty. kInvalidArgument for a type that the format does not have
// and for sizes that do not divide.
Result<SynthPlan> MakeSynthPlan(const SynthOptions& options, CheckpointFormat format);

// The stored tensors of the plan, scales included, cut into files of at most options.shard_bytes_max, the MTP
// layers in one of their own.
void AddSafetensorsFiles(const SynthOptions& options, SynthPlan* plan);

// Appends the tensors of the GGUF form, offsets not set, to `file`.
void AddGgufTensors(const SynthOptions& options, SynthPlan* plan, SynthFile* file);

// One file, with all metadata that llama.cpp's loader and this program's need.
void AddGgufFile(const SynthOptions& options, SynthPlan* plan);

}  // namespace mimo
