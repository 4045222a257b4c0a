#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "model/kv_storage.h"

namespace mimo {

// Hands out the fixed-size blocks of the KV cache. Owns the free list, not the memory.
//
// A block has users, the running sequences whose tables name it, and may be kept by the prefix cache:
//
//   free -> used (Allocate) -> shared (Share, Release) -> idle: kept without users -> free (Drop)
//
// It is free when it has neither. Not thread-safe: only the engine thread calls it.
class KvBlockAllocator {
 public:
  explicit KvBlockAllocator(uint32_t num_blocks) : num_blocks_(num_blocks) {}

  uint32_t num_blocks() const { return num_blocks_; }
  uint32_t num_free() const { return num_blocks_ - num_taken_; }
  // Kept by the cache and used by nobody: what it could give up.
  uint32_t num_idle() const { return num_idle_; }

  // Takes one block with one user; its contents are whatever the last user left. kResourceExhausted when none
  // is free; the caller then drops an idle one or preempts a sequence. Amortised O(1).
  Result<KvBlockId> Allocate();
  // One user more. Requires: the block is not free.
  void Share(KvBlockId block);
  // One user less. Requires: it has one.
  void Release(KvBlockId block);
  // The cache's hold on a block. Requires: the block is not free and not kept; it is kept.
  void Keep(KvBlockId block);
  void Drop(KvBlockId block);

  uint32_t num_users(KvBlockId block) const { return blocks_[block.value].num_users; }
  bool is_kept(KvBlockId block) const { return blocks_[block.value].is_kept; }

 private:
  struct Block {
    uint32_t num_users = 0;
    bool is_kept = false;
  };

  bool IsFree(KvBlockId block) const;
  void FreeIfUnwanted(KvBlockId block);

  const uint32_t num_blocks_;
  uint32_t num_taken_ = 0;
  uint32_t num_idle_ = 0;
  std::vector<Block> blocks_;    // those that were ever taken: a large pool costs nothing until it is used
  std::vector<KvBlockId> free_;  // of those; the last one goes out next: its memory is the likeliest resident
};

}  // namespace mimo
