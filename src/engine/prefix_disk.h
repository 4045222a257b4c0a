#pragma once
// What the prefix cache writes to disk and finds there again. Which entries, under which names; the store
// itself is engine/cache_store.h, and what becomes of what is read is the prefix cache's business.
//
//   whole blocks       as soon as the cache takes them
//   at a turn's end    the window, and the block that the turn ends inside of

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "engine/cache_store.h"
#include "engine/kv_memory.h"
#include "engine/prefix_tree.h"
#include "engine/window_snapshots.h"

namespace mimo {

// Something on disk that memory does not have.
struct PrefixDiskItem {
  CacheEntryKind kind = CacheEntryKind::kKvBlock;
  PrefixKey key = {};
  CachePlace place = {};

  uint32_t end() const { return place.position + static_cast<uint32_t>(place.tokens.size()); }
};

// The engine thread calls everything but Read.
class PrefixDisk {
 public:
  PrefixDisk(std::shared_ptr<CacheStore> store, const KvMemory& memory)
      : store_(std::move(store)), memory_(memory) {}

  // Before blocks of a text are written.
  void BeginWrites();
  // Queue writes of what is not there yet. False when the store does not take it: then it takes no more for
  // now.
  bool WriteBlock(PrefixNode& node);
  void WriteWindow(WindowSnapshot& snapshot);
  // Note that it is there, the node by this name.
  void NoteOnDisk(PrefixNode& node, const PrefixKey& key) const;
  void NoteOnDisk(WindowSnapshot& snapshot) const;
  // Notes that memory served a text that ends with `node`.
  void Touch(PrefixNode& node);

  // What to read, in this order, so that a sequence of `tokens` computes less: the blocks after those of
  // `match`, then perhaps a window. Empty when the disk has nothing that helps. `first_position`: where the
  // sequence begins with what is in memory.
  std::vector<PrefixDiskItem> FindMissing(std::span<const TokenId> tokens, const PrefixKey& salt,
                                          const PrefixTree::Match& match, uint32_t first_position);
  // Errors as CacheStore::Read.
  Result<std::vector<std::byte>> Read(const PrefixDiskItem& item) const;

  CacheStoreStats stats() const { return store_->stats(); }

 private:
  const PrefixKey& KeyOf(PrefixNode& node);
  bool Has(CacheEntryKind kind, const PrefixKey& key) const { return store_->Find({kind, key}).has_value(); }

  const std::shared_ptr<CacheStore> store_;
  const KvMemory& memory_;
  // Rises when entries were given up, by whatever process: what was there before may be gone, and is looked
  // up again.
  uint64_t epoch_ = 1;
  uint64_t num_evictions_ = 0;
};

}  // namespace mimo
