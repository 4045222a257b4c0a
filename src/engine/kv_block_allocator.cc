#include "engine/kv_block_allocator.h"

#include "base/check.h"

namespace mimo {

bool KvBlockAllocator::IsFree(KvBlockId block) const {
  return block.value >= blocks_.size() || (num_users(block) == 0 && !is_kept(block));
}

Result<KvBlockId> KvBlockAllocator::Allocate() {
  if (num_free() == 0) return ResourceExhausted("all {} blocks of the KV cache are used", num_blocks());
  KvBlockId block{static_cast<uint32_t>(blocks_.size())};
  if (free_.empty()) {
    blocks_.emplace_back();
  } else {
    block = free_.back();
    free_.pop_back();
  }
  blocks_[block.value].num_users = 1;
  ++num_taken_;
  return block;
}

void KvBlockAllocator::Share(KvBlockId block) {
  MIMO_CHECK(!IsFree(block));
  if (num_users(block) == 0) --num_idle_;
  ++blocks_[block.value].num_users;
}

void KvBlockAllocator::Release(KvBlockId block) {
  MIMO_CHECK(!IsFree(block) && num_users(block) > 0);
  --blocks_[block.value].num_users;
  if (num_users(block) == 0 && is_kept(block)) ++num_idle_;
  FreeIfUnwanted(block);
}

void KvBlockAllocator::Keep(KvBlockId block) {
  MIMO_CHECK(!IsFree(block) && !is_kept(block));
  blocks_[block.value].is_kept = true;
}

void KvBlockAllocator::Drop(KvBlockId block) {
  MIMO_CHECK(!IsFree(block) && is_kept(block));
  if (num_users(block) == 0) --num_idle_;
  blocks_[block.value].is_kept = false;
  FreeIfUnwanted(block);
}

void KvBlockAllocator::FreeIfUnwanted(KvBlockId block) {
  if (!IsFree(block)) return;
  free_.push_back(block);
  --num_taken_;
}

}  // namespace mimo
