#pragma once

#include <cstdint>
#include <vector>

#include "engine/prefix_cache.h"
#include "engine/sequence.h"
#include "model/kv_storage.h"

namespace mimo {

// What sequences hold while they run: a window ring and KV blocks, behind which is the prefix cache. This is
// all that the scheduler's policy sees of memory: who is next is decided without it, and it knows nothing of
// priorities and owners.
//
// Admit takes over what the cache has and sets num_computed to where the sequence has to begin; the policy
// then neither computes nor charges the tokens before. What a sequence leaves goes to the cache, whose blocks
// count as free: it gives them up on demand. So a preempted sequence loses nothing as long as nobody needs
// its memory.
//
// Not thread-safe: only the engine thread calls it.
class SequenceMemory {
 public:
  // `memory` is what the cache copies from and to, and must outlive this; null: nothing is cached.
  SequenceMemory(uint32_t num_rings, uint32_t num_blocks, KvMemory* memory,
                 const PrefixCacheOptions& options);

  // Room that is not there yet: what preempting others would bring.
  struct Freed {
    uint32_t rings = 0;
    uint32_t blocks = 0;
  };
  // Whether a ring and the blocks of all the sequence's tokens are there, and `spare_blocks` more.
  bool Fits(const Sequence& sequence, uint32_t spare_blocks, const Freed& freed) const;
  // What Release would give back.
  Freed FreedBy(const Sequence& sequence) const;

  // Gives the sequence its ring and the blocks of its tokens. Requires: it fits.
  void Admit(Sequence& sequence);
  // Adds the blocks of tokens appended meanwhile. False when no block is free; those it got stay.
  bool Grow(Sequence& sequence);
  // Leaves what is worth keeping to the cache. Call it when num_computed has grown, before a token is
  // appended.
  void OnComputed(Sequence& sequence);
  // Takes everything back; what the cache cannot keep has to be computed again.
  void Release(Sequence& sequence);
  // From now on nothing is left to the cache: for use after a failure, when memory may hold anything.
  void StopCaching() { is_caching_ = false; }

  uint32_t num_blocks() const { return cache_.num_blocks(); }
  // Those that no sequence uses.
  uint32_t num_blocks_free() const { return cache_.num_available(); }
  PrefixCache& cache() { return cache_; }
  const PrefixCache& cache() const { return cache_; }

 private:
  static bool HasWholeWindow(const Sequence& sequence, SnapshotKind kind);
  void Store(Sequence& sequence, SnapshotKind kind);

  PrefixCache cache_;
  std::vector<KvRingId> free_rings_;
  bool is_caching_ = true;
};

}  // namespace mimo
