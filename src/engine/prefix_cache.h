#pragma once
// Keys and values of texts that were computed before, for sequences that begin with the same tokens.
//
// Every text has a salt, the empty one in general: texts of different salts share nothing.
//
//   Plan: tokens -> where a sequence can begin      Begin: share blocks, bring back the window
//   Store: a sequence's blocks and window -> cache  Allocate: a free block, else the least recently used one
//
// A sequence that begins at position p needs the full layers' keys of [0, p) and the window before p. The
// keys are in blocks that the tree and any number of sequences share; a block that is used in part is copied.
// The window is a snapshot at p. Where none stands there, tokens before p are computed again for their
// windows alone: from the last snapshot, or from an empty window over KvMemory::WindowReplayTokens, whichever
// is less. All three give the bits of a sequence computed from its beginning.
// docs/decisions/0017-prefix-cache.md.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "engine/cache_store.h"
#include "engine/kv_block_allocator.h"
#include "engine/kv_memory.h"
#include "engine/prefix_cache_stats.h"
#include "engine/prefix_disk.h"
#include "engine/prefix_start.h"
#include "engine/prefix_tree.h"
#include "engine/window_snapshots.h"

namespace mimo {

struct PrefixCacheOptions {
  bool is_enabled = true;
  // Of window snapshots; blocks take what the pool has.
  uint64_t snapshot_bytes_max = UINT64_MAX;
  // Tokens of a prompt between snapshots on the way. Below the length of a replay more of them save less and
  // less: at 4,096 a branch of Flash at a random place computes 2,050 tokens again instead of 4,950.
  uint32_t snapshot_interval_tokens = 4096;
  // A window is kept where a text leaves one that came before, if the third text there saves so many tokens.
  // A window of Flash takes the memory of 1,100 tokens, but many texts may share one beginning.
  uint32_t branch_tokens_min = 64;
  // The tier on disk, or null. Written behind; read by restores.
  std::shared_ptr<CacheStore> store = {};
};

// The engine thread calls everything; what is marked may be called by any thread.
class PrefixCache {
 public:
  // `memory` must outlive this. Null: nothing is cached, blocks are handed out alone.
  PrefixCache(uint32_t num_blocks, KvMemory* memory, const PrefixCacheOptions& options);
  ~PrefixCache();

  // What Begin would do. Valid until the cache changes.
  class Plan {
   public:
    const PrefixStart& start() const { return start_; }
    uint32_t num_shared_blocks() const { return static_cast<uint32_t>(match_.blocks.size()); }
    // Where the text leaves those that came before and should leave its window to the next one; 0: nowhere.
    uint32_t branch_end() const { return branch_end_; }
    uint32_t num_idle_blocks() const { return num_idle_blocks_; }  // of the shared ones, without users now

   private:
    friend class PrefixCache;
    PrefixStart start_;
    PrefixTree::Match match_;
    uint32_t num_idle_blocks_ = 0;
    uint32_t branch_end_ = 0;
    WindowSnapshot* snapshot_ = nullptr;  // or null: the window is replayed, or there is nothing before it
  };
  // Requires: at least one token. At least the last one is computed, for its logits.
  Plan MakePlan(std::span<const TokenId> tokens, const PrefixKey& salt = {}) const;
  // Adds the blocks of [0, cached_end) to `blocks`, which is empty, and fills the ring. Requires: a block is
  // available beside the shared ones where cached_end cuts one.
  PrefixStart Begin(const Plan& plan, std::span<const TokenId> tokens, KvRingId ring,
                    std::vector<KvBlockId>* blocks);

  // Remembers a sequence. `blocks` hold the keys of `tokens`; where the cache has a block of the same
  // text, it takes the place of the sequence's own.
  void Store(std::span<const TokenId> tokens, std::vector<KvBlockId>* blocks, const PrefixKey& salt = {});
  // The same, and the window in `ring`, which must be exact and end after `tokens`.
  void StoreWithWindow(std::span<const TokenId> tokens, std::vector<KvBlockId>* blocks, KvRingId ring,
                       SnapshotKind kind, const PrefixKey& salt = {});

  // A block for a sequence; gives up the least recently used ones when none is free. kResourceExhausted when
  // sequences use all of them.
  Result<KvBlockId> Allocate();
  // Takes the blocks of a sequence. Where that frees much memory, the system gets it back.
  void Release(std::span<const KvBlockId> blocks);

  // A text whose keys come back from disk, a part at a time so that running sequences need not wait for all
  // of it. Holds the blocks until EndRestore.
  struct Restore {
    std::vector<PrefixDiskItem> items;
    size_t next = 0;                // of items
    std::vector<KvBlockId> blocks;  // in use by this
    PrefixNode* node = nullptr;     // of the last of them; null before there are any
    PrefixKey salt = {};
  };
  // What disk has for a sequence of `tokens` and memory has not; none when that would save nothing.
  std::optional<Restore> BeginRestore(std::span<const TokenId> tokens, const PrefixKey& salt = {});
  // Reads until `bytes_max` are exceeded. True when nothing is left to read: also after an error, which only
  // means that the rest is computed.
  bool ContinueRestore(Restore& restore, uint64_t bytes_max);
  void EndRestore(Restore& restore);

  uint32_t num_blocks() const { return blocks_.num_blocks(); }
  // How many Allocate can hand out.
  uint32_t num_available() const { return blocks_.num_free() + blocks_.num_idle(); }
  // Whether Release of the block's only user would make it available.
  bool HasOneUser(KvBlockId block) const { return blocks_.num_users(block) == 1; }
  const PrefixCacheOptions& options() const { return options_; }

  // Any thread: how many of `tokens` a sequence that began now would not compute.
  uint32_t CachedTokens(std::span<const TokenId> tokens, const PrefixKey& salt = {}) const;
  // Any thread.
  PrefixCacheStats stats() const;
  // Any thread. Zeros without a tier on disk.
  CacheStoreStats disk_stats() const;

 private:
  bool is_enabled() const { return memory_ != nullptr && options_.is_enabled; }
  // With mutex_ held:
  Plan PlanLocked(std::span<const TokenId> tokens, const PrefixKey& salt) const;
  void ChooseSnapshot(std::span<const TokenId> tokens, const PrefixKey& salt, Plan* plan) const;
  PrefixNode* StoreBlocks(std::span<const TokenId> tokens, std::vector<KvBlockId>* blocks,
                          const PrefixKey& salt);
  void Insert(PrefixNode& parent, std::span<const TokenId> tokens, KvBlockId* block, PrefixNode** node);
  bool TakeRestored(Restore& restore, const PrefixDiskItem& item, std::vector<std::byte> bytes);
  bool TakeRestoredBlock(Restore& restore, const PrefixDiskItem& item, std::span<const std::byte> bytes);
  void UseBlockOf(const PrefixNode& node, KvBlockId* block);
  KvBlockId CopyOrTakeOver(PrefixNode& node);
  void StoreWindow(PrefixNode& node, uint32_t end, KvRingId ring, SnapshotKind kind);
  Result<KvBlockId> AllocateLocked();
  bool EvictBlock();
  void RemoveLeaf(PrefixNode& leaf);
  void CountStart(const Plan& plan, size_t num_tokens);

  KvMemory* const memory_;
  const PrefixCacheOptions options_;
  mutable std::mutex mutex_;  // guards all below against the readers of other threads
  KvBlockAllocator blocks_;
  PrefixTree tree_;
  WindowSnapshots snapshots_;
  std::optional<PrefixDisk> disk_;
  PrefixCacheStats stats_;
};

}  // namespace mimo
