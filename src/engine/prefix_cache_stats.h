#pragma once

#include <cstdint>

namespace mimo {

// Counters since the start, and what is there now.
struct PrefixCacheStats {
  uint64_t queries = 0;          // sequences that began, also those that came back after a preemption
  uint64_t tokens_queried = 0;   // that they had
  uint64_t tokens_hit = 0;       // of these, not computed
  uint64_t tokens_replayed = 0;  // of these, in the cache but computed again for the windows
  uint64_t replays = 0;          // from an empty window
  uint64_t windows_used = 0;
  uint64_t blocks_restored = 0;  // from disk
  uint64_t windows_restored = 0;
  uint64_t blocks_evicted = 0;
  uint64_t snapshots_evicted = 0;
  uint32_t blocks_kept = 0;  // in the tree, in use or not
  uint32_t snapshots = 0;
  uint64_t snapshot_bytes = 0;
};

}  // namespace mimo
