#pragma once
// How much memory the KV cache may take, and so how long a context can be.

#include <cstdint>

#include "base/status.h"
#include "engine/engine.h"

namespace mimo {

struct KvPlan {
  uint32_t context_max = 0;         // tokens of one sequence
  uint32_t num_blocks = 0;          // at least those of one sequence of context_max tokens
  uint64_t snapshot_bytes_max = 0;  // of the prefix cache's windows
};

// Fits rings, blocks and the prefix cache's windows into options.kv_memory_bytes_max or, when that is 0, into
// a quarter of `memory_bytes_available`; a context that options.context_max asks for by name gets its blocks
// anyway in the second case, because pages only become resident when they are used.
// kInvalidArgument: a context beyond the model's. kResourceExhausted: a limit too small for the context.
Result<KvPlan> PlanKvMemory(const ModelConfig& config, const EngineOptions& options,
                            uint64_t memory_bytes_available);

// Memory that can be taken without swapping, by the operating system's own estimate.
uint64_t MemoryBytesAvailable();

}  // namespace mimo
