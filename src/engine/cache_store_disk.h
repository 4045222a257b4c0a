#pragma once
// CacheStore on a folder: the index in memory, the queue, and the thread that writes, evicts and rescans.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/cache_store.h"
#include "engine/cache_store_segment.h"

namespace mimo {

struct CacheEntryIdHash {
  size_t operator()(const CacheEntryId& id) const {
    return PrefixKeyHash()(id.key) + static_cast<size_t>(id.kind);
  }
};

class DiskCacheStore final : public CacheStore {
 public:
  // Starts the thread. Requires: `directory` is a folder that can be read.
  DiskCacheStore(std::string directory, std::string fingerprint, const CacheStoreOptions& options);
  ~DiskCacheStore() override;

  bool Put(CacheEntry entry) override;
  std::optional<CacheEntryInfo> Find(const CacheEntryId& id) const override;
  Status Read(const CacheEntryId& id, const CachePlace& place, std::span<std::byte> out) override;
  void Touch(const CacheEntryId& id) override;
  void Flush() override;
  void Rescan() override;
  CacheStoreStats stats() const override;
  const std::string& folder() const override { return folder_; }

  // Nothing is written from now on. Says so once.
  void BecomeReadOnly(const std::string& reason);

 private:
  struct StoredEntry {
    CacheEntryInfo info = {};
    uint32_t segment = 0;  // in segments_
    uint32_t index = 0;    // of the record
    uint64_t last_used_ms = 0;
  };
  struct Segment {
    std::string path = {};
    uint32_t next_index = 0;  // records before it were looked at
  };
  struct Index {
    std::vector<Segment> segments;
    std::unordered_map<CacheEntryId, StoredEntry, CacheEntryIdHash> entries;
    uint64_t eviction_count = 0;  // of the folder, when the segments were looked at from the start
  };
  struct Work {
    CacheEntryId id = {};
    std::optional<CacheEntry> entry = {};  // nothing: mark `id` as used
    uint64_t bytes = 0;
  };

  void Run();
  void Do(Work work);
  void WriteEntry(const CacheEntryId& id, const CacheEntry& entry);
  void MarkUsed(const CacheEntryId& id);
  bool MakeRoom(const CacheEntryId& id, const CacheEntry& entry);
  uint64_t MeasureBytes();
  Status OpenSegment();
  void UpdateIndex();
  void ReadNewRecords(Index* index, bool is_new);
  Status Forget(const CacheEntryId& id, const StoredEntry& entry, const Error& error);
  uint32_t SegmentNumber(const std::string& path);
  void CountDropped();

  const std::string directory_;
  const std::string fingerprint_;
  const CacheStoreOptions options_;
  const uint64_t segment_bytes_max_;
  const CacheId store_;
  const std::string folder_;

  // Of the writer thread.
  std::optional<CacheSegmentWriter> segment_;
  std::chrono::steady_clock::time_point full_until_{};

  // Held while files are appended to or looked through, so that a look never misses what is being added.
  // Taken before mutex_.
  std::mutex files_mutex_;
  std::unordered_set<std::string> foreign_;  // paths of which a warning was given; guarded by files_mutex_

  mutable std::mutex mutex_;  // guards what follows, down to is_stopping_; never held during input or output
  Index index_;
  std::deque<Work> queue_;
  std::unordered_set<CacheEntryId, CacheEntryIdHash> queued_;
  uint64_t queue_bytes_ = 0;
  bool is_busy_ = false;
  CacheStoreStats stats_;
  bool is_stopping_ = false;
  std::condition_variable work_arrived_;
  std::condition_variable work_done_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace mimo
