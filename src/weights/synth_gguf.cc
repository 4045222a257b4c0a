// The GGUF form of a synthetic checkpoint.

#include <fmt/core.h>

#include <utility>

#include "weights/gguf_metadata.h"
#include "weights/synth_plan.h"

namespace mimo {
namespace {

StoredType MatrixType(SynthType type) {
  switch (type) {
    case SynthType::kF32:
      return StoredType::kF32;
    case SynthType::kF16:
      return StoredType::kF16;
    case SynthType::kQ80:
      return StoredType::kQ80;
    default:
      return StoredType::kBf16;
  }
}

}  // namespace

void AddGgufFile(const SynthOptions& options, SynthPlan* plan) {
  GgufHeaderBuilder gguf;
  AddGgufGeneral(fmt::format("synthetic {}", options.like), MatrixType(plan->type), &gguf);
  AddGgufConfig(plan->geometry, &gguf);
  AddGgufTokenizer(options.tokenizer, plan->geometry, &gguf);
  SynthFile file;
  AddGgufTensors(options, plan, &file);
  file.header = gguf.Finish(file.tensors);
  plan->files.push_back(std::move(file));
}

}  // namespace mimo
