// Bringing texts back from disk into the prefix cache.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "engine/prefix_cache.h"

namespace mimo {

std::optional<PrefixCache::Restore> PrefixCache::BeginRestore(std::span<const TokenId> tokens,
                                                              const PrefixKey& salt) {
  if (!disk_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const Plan plan = PlanLocked(tokens, salt);
  const PrefixTree::Match match = tree_.Find(tokens.first(tokens.size() - 1), salt);
  Restore restore;
  restore.salt = salt;
  restore.items = disk_->FindMissing(tokens, salt, match, plan.start_.first_position);
  if (restore.items.empty()) return std::nullopt;
  for (PrefixNode* node : match.blocks) {
    blocks_.Share(node->block);
    restore.blocks.push_back(node->block);
    restore.node = node;
  }
  // Only a window is missing, which may end inside of the block that memory has in part.
  if (restore.items.front().kind == CacheEntryKind::kWindowSnapshot && match.partial != nullptr) {
    blocks_.Share(match.partial->block);
    restore.blocks.push_back(match.partial->block);
    restore.node = match.partial;
  }
  return restore;
}

bool PrefixCache::ContinueRestore(Restore& restore, uint64_t bytes_max) {
  uint64_t num_bytes = 0;
  while (restore.next < restore.items.size() && num_bytes < bytes_max) {
    const PrefixDiskItem& item = restore.items[restore.next++];
    Result<std::vector<std::byte>> bytes = disk_->Read(item);  // without the lock: others may look things up
    if (!bytes) {
      // Evicted meanwhile, by whatever process, is nothing to complain of.
      if (bytes.error().code != ErrorCode::kNotFound) LogWarning("{}", bytes.error().message);
      restore.next = restore.items.size();
      break;
    }
    num_bytes += bytes->size();
    const std::lock_guard lock(mutex_);
    if (!TakeRestored(restore, item, *std::move(bytes))) restore.next = restore.items.size();
  }
  return restore.next == restore.items.size();
}

// False when memory has no room for it.
bool PrefixCache::TakeRestored(Restore& restore, const PrefixDiskItem& item, std::vector<std::byte> bytes) {
  if (item.kind == CacheEntryKind::kKvBlock) return TakeRestoredBlock(restore, item, bytes);
  PrefixNode* node = restore.node;
  if (node == nullptr) return true;
  while (node->begin >= item.end()) node = node->parent;
  const bool is_there = WindowSnapshots::At(*node, item.end()) != nullptr;
  if (is_there || node->end() < item.end() || !snapshots_.Fits(bytes.size())) return true;
  disk_->NoteOnDisk(snapshots_.Add({.node = node,
                                    .end = item.end(),
                                    .first_position = memory_->FirstPositionOfWindow(item.end()),
                                    .kind = SnapshotKind::kTurnEnd,
                                    .bytes = std::move(bytes)}));
  ++stats_.windows_restored;
  return true;
}

bool PrefixCache::TakeRestoredBlock(Restore& restore, const PrefixDiskItem& item,
                                    std::span<const std::byte> bytes) {
  Result<KvBlockId> block = AllocateLocked();
  if (!block) return false;
  restore.blocks.push_back(*block);
  if (!memory_->ImportBlock(bytes, *block)) return false;
  PrefixNode& parent = restore.node == nullptr ? *tree_.MakeRoot(restore.salt) : *restore.node;
  Insert(parent, item.place.tokens, &restore.blocks.back(), &restore.node);
  PrefixNode& node = *restore.node;
  if (node.tokens.size() == item.place.tokens.size()) disk_->NoteOnDisk(node, item.key);
  ++stats_.blocks_restored;
  return true;
}

void PrefixCache::EndRestore(Restore& restore) {
  const std::lock_guard lock(mutex_);
  if (restore.node != nullptr) tree_.Touch(*restore.node);
  for (const KvBlockId block : restore.blocks) blocks_.Release(block);
  restore = {};
}

}  // namespace mimo
