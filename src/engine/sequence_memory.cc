#include "engine/sequence_memory.h"

#include "base/check.h"

namespace mimo {

SequenceMemory::SequenceMemory(uint32_t num_rings, uint32_t num_blocks) : blocks_(num_blocks) {
  free_rings_.reserve(num_rings);
  for (uint32_t i = num_rings; i > 0; --i) free_rings_.push_back({i - 1});
}

bool SequenceMemory::Fits(const Sequence& sequence, uint32_t spare_blocks, const Freed& freed) const {
  return free_rings_.size() + freed.rings > 0 &&
         blocks_.num_free() + freed.blocks >= KvBlocksFor(sequence.num_tokens()) + spare_blocks;
}

SequenceMemory::Freed SequenceMemory::FreedBy(const Sequence& sequence) {
  return {.rings = 1, .blocks = static_cast<uint32_t>(sequence.blocks.size())};
}

void SequenceMemory::Admit(Sequence& sequence) {
  MIMO_CHECK(!sequence.is_running && !free_rings_.empty());
  sequence.ring = free_rings_.back();
  free_rings_.pop_back();
  sequence.is_running = true;
  MIMO_CHECK(Grow(sequence));
}

bool SequenceMemory::Grow(Sequence& sequence) {
  const uint32_t num_needed = KvBlocksFor(sequence.num_tokens());
  while (sequence.blocks.size() < num_needed) {
    const Result<KvBlockId> block = blocks_.Allocate();
    if (!block) return false;
    sequence.blocks.push_back(*block);
  }
  return true;
}

void SequenceMemory::Release(Sequence& sequence) {
  for (const KvBlockId block : sequence.blocks) blocks_.Release(block);
  sequence.blocks.clear();
  free_rings_.push_back(sequence.ring);
  sequence.num_computed = 0;
  sequence.is_running = false;
}

}  // namespace mimo
