#pragma once
// Which entries of the prefix cache leave the disk when it is full. A pure function, so that its rules can be
// tested on trees that no disk has seen.
//
// Blocks form a forest through their parents; a snapshot belongs to the block it ends in. What nobody can
// reach goes first: entries whose parent is not there, and second copies. Then, by the time of the last use,
// where a block counts as used when anything after it was:
//   - a block that no block follows, together with its snapshots: so a branch shrinks from its end, what is
//     left of it can still be used, and the window at its end stays until the end goes
//   - a snapshot that is not at an end, by its own last use: without it, a branch from there costs a replay
//
// Refused: least recently used blocks alone, which makes holes in the middle of branches; and whole segments,
// which mix branches.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/cache_store.h"

namespace mimo {

struct EvictionCandidate {
  uint32_t store = 0;  // entries of different stores have nothing to do with each other
  CacheEntryId id = {};
  PrefixKey parent = {};
  uint32_t position = 0;
  uint32_t num_tokens = 0;
  uint64_t bytes = 0;
  uint64_t last_used_ms = 0;
};

// A block that is needed, and so are all before it: that of an entry about to be written.
struct EvictionPin {
  uint32_t store = 0;
  PrefixKey key = {};
};

// Indices into `candidates`, in the order of eviction, until `bytes_to_free` are reached or nothing is left
// but what is pinned.
std::vector<size_t> ChooseEvictions(std::span<const EvictionCandidate> candidates, uint64_t bytes_to_free,
                                    const std::optional<EvictionPin>& pin);

// What `mimo cache` reports of them.
struct CacheForestSummary {
  size_t num_branches = 0;     // blocks that no block follows
  size_t num_unreachable = 0;  // entries that cannot be used: a parent is missing, or they are second copies
  uint64_t unreachable_bytes = 0;
};
CacheForestSummary SummarizeForest(std::span<const EvictionCandidate> candidates);

}  // namespace mimo
