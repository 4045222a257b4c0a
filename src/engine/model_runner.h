#pragma once
// What the engine needs of a model: one step at a time over KV blocks and rings that the engine hands out.

#include <memory>
#include <span>

#include "base/status.h"
#include "engine/kv_memory.h"
#include "model/kv_storage.h"
#include "model/model.h"

namespace mimo {

// Not thread-safe: only the engine thread calls Forward and what is KvMemory's.
class ModelRunner : public KvMemory {
 public:
  virtual const ModelConfig& config() const = 0;
  // As Model::Forward: logits [rows wanted, vocab_size], valid until the next call.
  virtual Result<std::span<const float>> Forward(Batch batch) = 0;
};

std::unique_ptr<ModelRunner> MakeModelRunner(Model model, KvStorage kv);

}  // namespace mimo
