#pragma once

#include <cstdint>
#include <vector>

#include "engine/kv_block_allocator.h"
#include "engine/sequence.h"
#include "model/kv_storage.h"

namespace mimo {

// What sequences hold while they run: a window ring and KV blocks. This is all that the scheduler's policy
// sees of memory: who is next is decided without it, and it knows nothing of priorities and owners.
//
// A cache of prefixes belongs behind this interface. Admit would take over cached blocks and set num_computed
// to their end (the policy then neither computes nor charges those tokens), FreedBy would leave out
// blocks that others share, and Release would leave full blocks to the cache, which gives them up on demand.
//
// Not thread-safe: only the engine thread calls it.
class SequenceMemory {
 public:
  SequenceMemory(uint32_t num_rings, uint32_t num_blocks);

  // Room that is not there yet: what preempting others would bring.
  struct Freed {
    uint32_t rings = 0;
    uint32_t blocks = 0;
  };
  // Whether a ring and the blocks of all the sequence's tokens are there, and `spare_blocks` more.
  bool Fits(const Sequence& sequence, uint32_t spare_blocks, const Freed& freed) const;
  // What Release would give back.
  static Freed FreedBy(const Sequence& sequence);

  // Gives the sequence its ring and the blocks of its tokens. Requires: it fits.
  void Admit(Sequence& sequence);
  // Adds the blocks of tokens appended meanwhile. False when no block is free; those it got stay.
  bool Grow(Sequence& sequence);
  // Takes everything back; the sequence's tokens have to be computed again.
  void Release(Sequence& sequence);

  uint32_t num_blocks() const { return blocks_.num_blocks(); }
  uint32_t num_blocks_free() const { return blocks_.num_free(); }

 private:
  KvBlockAllocator blocks_;
  std::vector<KvRingId> free_rings_;
};

}  // namespace mimo
