#include "engine/sequence_memory.h"

#include <algorithm>

#include "base/check.h"

namespace mimo {

SequenceMemory::SequenceMemory(uint32_t num_rings, uint32_t num_blocks, KvMemory* memory,
                               const PrefixCacheOptions& options)
    : cache_(num_blocks, memory, options) {
  free_rings_.reserve(num_rings);
  for (uint32_t i = num_rings; i > 0; --i) free_rings_.push_back({i - 1});
}

bool SequenceMemory::Fits(const Sequence& sequence, uint32_t spare_blocks, const Freed& freed) const {
  if (free_rings_.size() + freed.rings == 0) return false;
  const PrefixCache::Plan plan = cache_.MakePlan(sequence.tokens, sequence.cache_salt);
  const uint32_t num_idle = plan.num_idle_blocks();
  const uint32_t num_in_use = plan.num_shared_blocks() - num_idle;
  // Those it would share can neither be given up for it, nor be counted as freed by others who share them.
  const uint32_t num_available =
      cache_.num_available() - num_idle + freed.blocks - std::min(freed.blocks, num_in_use);
  return num_available + plan.num_shared_blocks() >= KvBlocksFor(sequence.num_tokens()) + spare_blocks;
}

SequenceMemory::Freed SequenceMemory::FreedBy(const Sequence& sequence) const {
  const auto num_blocks = std::count_if(sequence.blocks.begin(), sequence.blocks.end(),
                                        [this](KvBlockId block) { return cache_.HasOneUser(block); });
  return {.rings = 1, .blocks = static_cast<uint32_t>(num_blocks)};
}

void SequenceMemory::Admit(Sequence& sequence) {
  MIMO_CHECK(!sequence.is_running && !free_rings_.empty());
  sequence.ring = free_rings_.back();
  free_rings_.pop_back();
  sequence.is_running = true;
  const PrefixCache::Plan plan = cache_.MakePlan(sequence.tokens, sequence.cache_salt);
  sequence.start = cache_.Begin(plan, sequence.tokens, sequence.ring, &sequence.blocks);
  sequence.num_computed = sequence.start.first_position;
  sequence.num_stored = sequence.num_computed;
  sequence.branch_end = plan.branch_end();
  sequence.has_stored_prompt = false;
  MIMO_CHECK(Grow(sequence));
}

bool SequenceMemory::Grow(Sequence& sequence) {
  const uint32_t num_needed = KvBlocksFor(sequence.num_tokens());
  while (sequence.blocks.size() < num_needed) {
    const Result<KvBlockId> block = cache_.Allocate();
    if (!block) return false;
    sequence.blocks.push_back(*block);
  }
  return true;
}

// Whether the ring has every key of a snapshot, which is one more than the next token sees: a replay makes
// that many exact, and an imported window may have been continued one before its end. A branch's needs no
// more than the next token.
bool SequenceMemory::HasWholeWindow(const Sequence& sequence, SnapshotKind kind) {
  const PrefixStart& start = sequence.start;
  if (start.first_position == 0) return true;
  if (start.window_begin == 0) return sequence.num_computed > start.first_position;
  return sequence.num_computed + (kind == SnapshotKind::kBranch ? 1 : 0) > start.cached_end;
}

void SequenceMemory::Store(Sequence& sequence, SnapshotKind kind) {
  if (!is_caching_) return;
  if (HasWholeWindow(sequence, kind)) {
    const auto tokens = std::span<const TokenId>(sequence.tokens).first(sequence.num_computed);
    cache_.StoreWithWindow(tokens, &sequence.blocks, sequence.ring, kind, sequence.cache_salt);
  }
  sequence.num_stored = sequence.num_computed;
}

void SequenceMemory::OnComputed(Sequence& sequence) {
  if (sequence.num_pending() == 0) {
    if (!sequence.has_stored_prompt) Store(sequence, SnapshotKind::kPromptEnd);
    sequence.has_stored_prompt = true;
  } else if (sequence.num_computed == sequence.branch_end) {
    Store(sequence, SnapshotKind::kBranch);
  } else if (sequence.num_computed >= sequence.num_stored + cache_.options().snapshot_interval_tokens) {
    Store(sequence, SnapshotKind::kOnTheWay);
  }
}

void SequenceMemory::Release(Sequence& sequence) {
  Store(sequence, SnapshotKind::kTurnEnd);
  cache_.Release(sequence.blocks);
  sequence.blocks.clear();
  free_rings_.push_back(sequence.ring);
  sequence.num_computed = 0;
  sequence.is_running = false;
}

}  // namespace mimo
