#include "engine/prefix_cache.h"

#include <algorithm>

#include "base/check.h"

namespace mimo {
namespace {

// Less than this stays for the next sequence: to get pages from the system again takes time.
constexpr uint64_t kBytesGivenBackMin = uint64_t{64} << 20;

}  // namespace

PrefixCache::PrefixCache(uint32_t num_blocks, KvMemory* memory, const PrefixCacheOptions& options)
    : memory_(memory), options_(options), blocks_(num_blocks), snapshots_(options.snapshot_bytes_max) {
  if (is_enabled() && options.store != nullptr) disk_.emplace(options.store, *memory_);
}

PrefixCache::~PrefixCache() = default;

// ---- Where a sequence begins ----

PrefixCache::Plan PrefixCache::MakePlan(std::span<const TokenId> tokens, const PrefixKey& salt) const {
  const std::lock_guard lock(mutex_);
  return PlanLocked(tokens, salt);
}

PrefixCache::Plan PrefixCache::PlanLocked(std::span<const TokenId> tokens, const PrefixKey& salt) const {
  MIMO_CHECK(!tokens.empty());
  Plan plan;
  if (!is_enabled()) return plan;
  plan.match_ = tree_.Find(tokens.first(tokens.size() - 1), salt);
  const uint32_t cached_end = plan.match_.num_tokens;
  const uint32_t replay_tokens = std::min(cached_end, memory_->WindowReplayTokens());
  plan.start_.cached_end = cached_end;
  plan.start_.first_position = cached_end - replay_tokens;
  plan.start_.window_begin = plan.start_.first_position;
  if (replay_tokens > 0) ChooseSnapshot(tokens, salt, &plan);
  const bool is_seen_whole = cached_end + 1 == tokens.size();  // its prompt's end has a window of its own
  if (!is_seen_whole && cached_end - plan.start_.first_position >= options_.branch_tokens_min) {
    plan.branch_end_ = cached_end;
  }
  if (plan.start_.first_position == 0) {
    // Everything is computed. Sharing whole blocks still saves memory, a copy would save nothing.
    plan.match_.partial = nullptr;
    plan.start_.cached_end = plan.num_shared_blocks() * kKvBlockTokens;
  }
  for (const PrefixNode* node : plan.match_.blocks) {
    if (blocks_.num_users(node->block) == 0) ++plan.num_idle_blocks_;
  }
  return plan;
}

// Replaces the replay by the latest snapshot if that leaves fewer tokens to compute. Branches that part
// inside of a block are nodes of their own, so a snapshot may hang on a node beside the one that matches.
void PrefixCache::ChooseSnapshot(std::span<const TokenId> tokens, const PrefixKey& salt, Plan* plan) const {
  const std::vector<PrefixNode*>& path = plan->match_.blocks;
  for (size_t level = path.size() + 1; level-- > 0 && plan->snapshot_ == nullptr;) {
    const auto begin = static_cast<uint32_t>(level) * kKvBlockTokens;
    if (begin + kKvBlockTokens <= plan->start_.first_position) return;
    if (begin >= tokens.size()) continue;
    // Something was found, so there is a root.
    const PrefixNode* const parent = level > 0 ? path[level - 1] : tree_.FindRoot(salt);
    // With the last token, which is not matched: a window after it serves the position before it.
    const auto rest = tokens.subspan(begin);
    tree_.ForEachAlike(
        *parent, rest.first(std::min<size_t>(rest.size(), kKvBlockTokens)),
        [&](const PrefixNode& node, uint32_t common) {
          for (WindowSnapshot* snapshot : node.snapshots) {
            const uint32_t position = std::min({snapshot->end, begin + common, plan->start_.cached_end});
            if (position < snapshot->first_position) continue;
            if (position <= plan->start_.first_position) continue;
            plan->start_.first_position = position;
            plan->start_.window_begin = 0;
            plan->snapshot_ = snapshot;
          }
        });
  }
}

PrefixStart PrefixCache::Begin(const Plan& plan, std::span<const TokenId> tokens, KvRingId ring,
                               std::vector<KvBlockId>* blocks) {
  MIMO_CHECK(blocks->empty());
  const std::lock_guard lock(mutex_);
  if (!is_enabled()) return {};
  CountStart(plan, tokens.size());
  if (plan.snapshot_ != nullptr) {
    const Status imported = memory_->ImportWindow(plan.snapshot_->bytes, plan.snapshot_->end, ring);
    MIMO_CHECK(imported);  // it was exported by the same memory, or checked when it was loaded
    snapshots_.Touch(*plan.snapshot_);
    // A place that a third text leaves will be left again: it is worth as much as the end of a turn.
    if (plan.snapshot_->kind == SnapshotKind::kBranch) plan.snapshot_->kind = SnapshotKind::kTurnEnd;
  }
  if (disk_ && !plan.match_.blocks.empty()) disk_->Touch(*plan.match_.blocks.back());
  for (const PrefixNode* node : plan.match_.blocks) {
    blocks_.Share(node->block);
    blocks->push_back(node->block);
  }
  if (plan.match_.partial != nullptr) {
    tree_.Touch(*plan.match_.partial);
    blocks->push_back(CopyOrTakeOver(*plan.match_.partial));
  } else if (!plan.match_.blocks.empty()) {
    tree_.Touch(*plan.match_.blocks.back());
  }
  return plan.start_;
}

// A block of the sequence's own that begins with the node's keys.
KvBlockId PrefixCache::CopyOrTakeOver(PrefixNode& node) {
  blocks_.Share(node.block);  // so that the copy does not push it out
  const Result<KvBlockId> copy = AllocateLocked();
  if (!copy) {
    // It is itself the last one that could be given up.
    const KvBlockId block = node.block;
    RemoveLeaf(node);
    return block;
  }
  memory_->CopyBlock(node.block, *copy);
  blocks_.Release(node.block);
  return *copy;
}

void PrefixCache::CountStart(const Plan& plan, size_t num_tokens) {
  const PrefixStart& start = plan.start_;
  ++stats_.queries;
  stats_.tokens_queried += num_tokens;
  stats_.tokens_hit += start.first_position;
  if (start.first_position < start.cached_end) {
    stats_.tokens_replayed += start.cached_end - start.first_position;
  }
  if (plan.snapshot_ != nullptr) {
    ++stats_.windows_used;
  } else if (start.first_position < start.cached_end) {
    ++stats_.replays;
  }
}

uint32_t PrefixCache::CachedTokens(std::span<const TokenId> tokens, const PrefixKey& salt) const {
  if (tokens.empty()) return 0;
  const std::lock_guard lock(mutex_);
  return PlanLocked(tokens, salt).start_.first_position;
}

// ---- What a sequence leaves behind ----

void PrefixCache::Store(std::span<const TokenId> tokens, std::vector<KvBlockId>* blocks,
                        const PrefixKey& salt) {
  if (!is_enabled() || tokens.empty()) return;
  const std::lock_guard lock(mutex_);
  StoreBlocks(tokens, blocks, salt);
}

void PrefixCache::StoreWithWindow(std::span<const TokenId> tokens, std::vector<KvBlockId>* blocks,
                                  KvRingId ring, SnapshotKind kind, const PrefixKey& salt) {
  if (!is_enabled() || tokens.empty()) return;
  const std::lock_guard lock(mutex_);
  PrefixNode* const last = StoreBlocks(tokens, blocks, salt);
  if (disk_ && kind == SnapshotKind::kTurnEnd) disk_->WriteBlock(*last);
  StoreWindow(*last, static_cast<uint32_t>(tokens.size()), ring, kind);
}

// The last block may be one that its sequence still fills: it writes behind the tokens that the node names,
// and everybody else copies a block that is not whole.
PrefixNode* PrefixCache::StoreBlocks(std::span<const TokenId> tokens, std::vector<KvBlockId>* blocks,
                                     const PrefixKey& salt) {
  PrefixNode* node = tree_.MakeRoot(salt);
  if (disk_) disk_->BeginWrites();
  bool is_written = disk_.has_value();  // what is without its beginning on disk is of no use there
  for (size_t begin = 0; begin < tokens.size(); begin += kKvBlockTokens) {
    const auto part = tokens.subspan(begin, std::min<size_t>(kKvBlockTokens, tokens.size() - begin));
    KvBlockId& block = (*blocks)[begin / kKvBlockTokens];
    Insert(*node, part, &block, &node);
    if (is_written && part.size() == kKvBlockTokens) is_written = disk_->WriteBlock(*node);
  }
  tree_.Touch(*node);
  return node;
}

void PrefixCache::Insert(PrefixNode& parent, std::span<const TokenId> tokens, KvBlockId* block,
                         PrefixNode** node) {
  const PrefixTree::Inserted inserted = tree_.Insert(parent, tokens, *block);
  if (inserted.took_block) blocks_.Keep(*block);
  if (inserted.replaced) blocks_.Drop(*inserted.replaced);
  if (tokens.size() == kKvBlockTokens) UseBlockOf(*inserted.node, block);
  *node = inserted.node;
}

// The same text twice is the same keys, to the bit: one copy is enough.
void PrefixCache::UseBlockOf(const PrefixNode& node, KvBlockId* block) {
  if (node.block.value == block->value) return;
  blocks_.Share(node.block);
  blocks_.Release(*block);
  *block = node.block;
}

void PrefixCache::StoreWindow(PrefixNode& node, uint32_t end, KvRingId ring, SnapshotKind kind) {
  const uint64_t num_bytes = memory_->WindowBytes(end);
  if (num_bytes == 0) return;
  // After a replay a branch's window has what the next token sees, and not the key more.
  const uint32_t first_position = kind == SnapshotKind::kBranch ? end : memory_->FirstPositionOfWindow(end);
  WindowSnapshot* snapshot = WindowSnapshots::At(node, end);
  if (snapshot != nullptr) {
    snapshot->kind = std::max(snapshot->kind, kind);
    if (first_position < snapshot->first_position) {
      memory_->ExportWindow(ring, end, snapshot->bytes);
      snapshot->first_position = first_position;
    }
    snapshots_.Touch(*snapshot);
  } else {
    if (!snapshots_.Fits(num_bytes)) return;
    std::vector<std::byte> bytes(num_bytes);
    memory_->ExportWindow(ring, end, bytes);
    snapshot = &snapshots_.Add({.node = &node,
                                .end = end,
                                .first_position = first_position,
                                .kind = kind,
                                .bytes = std::move(bytes)});
  }
  if (disk_ && kind == SnapshotKind::kTurnEnd) disk_->WriteWindow(*snapshot);
}

// ---- Blocks ----

Result<KvBlockId> PrefixCache::Allocate() {
  const std::lock_guard lock(mutex_);
  return AllocateLocked();
}

Result<KvBlockId> PrefixCache::AllocateLocked() {
  if (blocks_.num_free() == 0) EvictBlock();
  return blocks_.Allocate();
}

// Gives up the last block of the branch that was not used for longest. False when sequences use all of them.
// A sequence that uses a block uses all before it, so an idle block always has an idle leaf after it.
bool PrefixCache::EvictBlock() {
  for (PrefixNode* leaf : tree_.leaves()) {
    if (blocks_.num_users(leaf->block) > 0) continue;
    RemoveLeaf(*leaf);
    ++stats_.blocks_evicted;
    return true;
  }
  return false;
}

void PrefixCache::RemoveLeaf(PrefixNode& leaf) {
  while (!leaf.snapshots.empty()) {
    snapshots_.Remove(*leaf.snapshots.back());
    ++stats_.snapshots_evicted;
  }
  blocks_.Drop(leaf.block);
  tree_.Remove(leaf);
}

void PrefixCache::Release(std::span<const KvBlockId> blocks) {
  const std::lock_guard lock(mutex_);
  std::vector<KvBlockId> freed;
  for (const KvBlockId block : blocks) {
    if (blocks_.num_users(block) == 1 && !blocks_.is_kept(block)) freed.push_back(block);
    blocks_.Release(block);
  }
  if (memory_ != nullptr && freed.size() * memory_->BlockBytes() >= kBytesGivenBackMin)
    memory_->GiveBack(freed);
}

CacheStoreStats PrefixCache::disk_stats() const { return disk_ ? disk_->stats() : CacheStoreStats(); }

PrefixCacheStats PrefixCache::stats() const {
  const std::lock_guard lock(mutex_);
  PrefixCacheStats stats = stats_;
  stats.snapshots_evicted += snapshots_.num_evicted();
  stats.blocks_kept = tree_.num_nodes();
  stats.snapshots = snapshots_.size();
  stats.snapshot_bytes = snapshots_.bytes();
  return stats;
}

}  // namespace mimo
