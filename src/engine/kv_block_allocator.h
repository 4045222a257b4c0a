#pragma once

#include <cstdint>
#include <vector>

#include "model/kv_storage.h"

namespace mimo {

// Hands out the fixed-size blocks of the KV cache. Owns the free list, not the memory.
// Not thread-safe: only the engine thread calls it.
class KvBlockAllocator {
 public:
  explicit KvBlockAllocator(uint32_t num_blocks);

  uint32_t num_blocks() const { return static_cast<uint32_t>(is_used_.size()); }
  uint32_t num_free() const { return static_cast<uint32_t>(free_.size()); }

  // Takes one block; its contents are whatever the last user left. O(1), never allocates memory.
  // kResourceExhausted when none is free; the caller then preempts a sequence.
  Result<KvBlockId> Allocate();

  // Requires: `block` came from Allocate and was not released since.
  void Release(KvBlockId block);

 private:
  std::vector<KvBlockId> free_;  // the last one goes out next: its memory is the likeliest to be resident
  std::vector<bool> is_used_;
};

}  // namespace mimo
