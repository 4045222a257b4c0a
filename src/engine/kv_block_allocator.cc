#include "engine/kv_block_allocator.h"

#include "base/check.h"

namespace mimo {

KvBlockAllocator::KvBlockAllocator(uint32_t num_blocks) : is_used_(num_blocks, false) {
  free_.reserve(num_blocks);
  for (uint32_t i = num_blocks; i > 0; --i) free_.push_back({i - 1});
}

Result<KvBlockId> KvBlockAllocator::Allocate() {
  if (free_.empty()) return ResourceExhausted("all {} blocks of the KV cache are used", num_blocks());
  const KvBlockId block = free_.back();
  free_.pop_back();
  is_used_[block.value] = true;
  return block;
}

void KvBlockAllocator::Release(KvBlockId block) {
  MIMO_CHECK(block.value < is_used_.size() && is_used_[block.value]);
  is_used_[block.value] = false;
  free_.push_back(block);
}

}  // namespace mimo
