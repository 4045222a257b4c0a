#include "engine/cache_store_disk.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): pthread_sigmask is POSIX's

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "engine/cache_store_directory.h"

namespace mimo {
namespace {

constexpr uint64_t kSegmentBytesMin = uint64_t{16} << 20;
constexpr uint64_t kSegmentBytesMax = uint64_t{1} << 30;
// An eviction frees a bit more than is needed, so that the next one is not due at once.
constexpr uint64_t kEvictionShare = 16;
// A mark of use is not written again within this time.
constexpr uint64_t kLastUsedGranularityMs = 100;

uint64_t SegmentBytesMax(const CacheStoreOptions& options) {
  if (options.segment_bytes_max > 0) return options.segment_bytes_max;
  return std::clamp(options.bytes_max / 32, kSegmentBytesMin, kSegmentBytesMax);
}

CacheEntryInfo InfoOf(const CachePlace& place, uint64_t payload_bytes) {
  return {.parent = place.parent,
          .position = place.position,
          .num_tokens = static_cast<uint32_t>(place.tokens.size()),
          .payload_bytes = payload_bytes};
}

// A file size limit (SIGXFSZ) must make a write fail, not end the program; other signals are for other
// threads.
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// At most: with the rounding at the end of both files.
uint64_t BytesInFiles(uint64_t payload_bytes) { return payload_bytes + 2 * kCachePayloadAlignment; }

}  // namespace

Result<std::unique_ptr<CacheStore>> CacheStore::Open(const std::string& directory,
                                                     const std::string& fingerprint,
                                                     const CacheStoreOptions& options) {
  if (options.bytes_max == 0) return InvalidArgument("a prefix cache of 0 bytes ({})", directory);
  MIMO_RETURN_IF_ERROR(MakeCacheFolder(directory));
  auto store = std::make_unique<DiskCacheStore>(directory, fingerprint, options);
  const Result<CacheFile> lock = CacheFile::Open(directory + "/lock", O_RDWR | O_CREAT);
  if (!lock) store->BecomeReadOnly(lock.error().message);
  return store;
}

DiskCacheStore::DiskCacheStore(std::string directory, std::string fingerprint,
                               const CacheStoreOptions& options)
    : directory_(std::move(directory)),
      fingerprint_(std::move(fingerprint)),
      options_(options),
      segment_bytes_max_(SegmentBytesMax(options)),
      store_(CacheStoreId(fingerprint_)),
      folder_(CacheStoreFolder(directory_, store_)) {
  UpdateIndex();
  stats_.bytes = CacheDirectoryBytes(directory_);
  thread_ = std::thread([this] { Run(); });
}

DiskCacheStore::~DiskCacheStore() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  work_arrived_.notify_all();
  thread_.join();
}

bool DiskCacheStore::Put(CacheEntry entry) {
  MIMO_CHECK(!entry.payload.empty() && entry.payload.size() <= kCachePayloadBytesMax);
  MIMO_CHECK(!entry.place.tokens.empty() && entry.place.tokens.size() <= kCacheTokensMax);
  Work work{.id = {entry.kind, ExtendPrefixKey(entry.place.parent, entry.place.tokens)},
            .entry = std::nullopt,
            .bytes = BytesInFiles(entry.payload.size())};
  {
    const std::lock_guard lock(mutex_);
    if (index_.entries.contains(work.id) || queued_.contains(work.id)) return true;
    if (stats_.read_only || queue_bytes_ + work.bytes > options_.queue_bytes_max) {
      ++stats_.entries_dropped;
      return false;
    }
    queue_bytes_ += work.bytes;
    queued_.insert(work.id);
    work.entry = std::move(entry);
    queue_.push_back(std::move(work));
  }
  work_arrived_.notify_one();
  return true;
}

std::optional<CacheEntryInfo> DiskCacheStore::Find(const CacheEntryId& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = index_.entries.find(id);
  if (found == index_.entries.end()) return std::nullopt;
  return found->second.info;
}

Status DiskCacheStore::Read(const CacheEntryId& id, const CachePlace& place, std::span<std::byte> out) {
  std::string path;
  StoredEntry entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = index_.entries.find(id);
    if (found == index_.entries.end()) return NotFound("no such entry in the prefix cache");
    entry = found->second;
    path = index_.segments[entry.segment].path;
  }
  const Result<CacheRecord> record = ReadCacheRecord(path, entry.index);
  if (!record) return Forget(id, entry, record.error());
  if (record->state != CacheRecordState::kLive) {
    return Forget(id, entry, {ErrorCode::kNotFound, "evicted meanwhile"});
  }
  if (record->id() != id || record->place.parent != place.parent ||
      record->place.position != place.position || record->place.tokens != place.tokens ||
      record->payload_bytes != out.size()) {
    return NotFound("the entry in the prefix cache is of another place or size");
  }
  if (const Status status = ReadCachePayload(path, *record, out); !status) {
    return Forget(id, entry, status.error());
  }
  {
    const std::lock_guard lock(mutex_);
    ++stats_.entries_read;
    stats_.bytes_read += out.size();
  }
  Touch(id);
  return {};
}

// What was not readable is not offered again. Evicted under our hands is the usual reason, and no damage.
Status DiskCacheStore::Forget(const CacheEntryId& id, const StoredEntry& entry, const Error& error) {
  std::string path;
  bool is_read_only = false;
  {
    const std::lock_guard lock(mutex_);
    path = index_.segments[entry.segment].path;
    is_read_only = stats_.read_only;
    const auto found = index_.entries.find(id);
    if (found != index_.entries.end() && found->second.segment == entry.segment &&
        found->second.index == entry.index) {
      index_.entries.erase(found);
    }
  }
  const Result<CacheRecord> now = ReadCacheRecord(path, entry.index);
  const bool is_gone = error.code == ErrorCode::kNotFound ||
                       (!now && now.error().code == ErrorCode::kNotFound) ||
                       (now && now->state != CacheRecordState::kLive);
  if (is_gone) return NotFound("evicted from the prefix cache meanwhile");
  LogWarning("prefix cache: a damaged entry is not used: {}", error.message);
  // Marked in the file too, or the next process finds it first again.
  if (now && !is_read_only)
    (void)EvictCacheRecords(path, std::vector<IndexedCacheRecord>{{entry.index, *now}});
  const std::lock_guard lock(mutex_);
  ++stats_.entries_damaged;
  return DataLoss("{}", error.message);
}

void DiskCacheStore::Touch(const CacheEntryId& id) {
  const uint64_t now_ms = UnixTimeMs();
  {
    const std::lock_guard lock(mutex_);
    const auto found = index_.entries.find(id);
    if (stats_.read_only || found == index_.entries.end() ||
        now_ms < found->second.last_used_ms + kLastUsedGranularityMs) {
      return;
    }
    found->second.last_used_ms = now_ms;
    queue_.push_back({.id = id, .entry = std::nullopt, .bytes = 0});
  }
  work_arrived_.notify_one();
}

void DiskCacheStore::Flush() {
  std::unique_lock lock(mutex_);
  work_done_.wait(lock, [this] { return queue_.empty() && !is_busy_; });
}

void DiskCacheStore::Rescan() {
  const std::lock_guard lock(files_mutex_);
  UpdateIndex();
}

CacheStoreStats DiskCacheStore::stats() const {
  const std::lock_guard lock(mutex_);
  CacheStoreStats stats = stats_;
  stats.entries = index_.entries.size();
  stats.num_evictions = index_.eviction_count;
  return stats;
}

void DiskCacheStore::BecomeReadOnly(const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stats_.read_only, true)) return;
  }
  LogWarning("prefix cache in {} is only read from now on ({}); nothing else is affected", directory_,
             reason);
}

void DiskCacheStore::Run() {
  BlockSignals();
  auto rescan_at = std::chrono::steady_clock::now() + options_.rescan_interval;
  std::unique_lock lock(mutex_);
  while (true) {
    work_arrived_.wait_until(lock, rescan_at, [this] { return is_stopping_ || !queue_.empty(); });
    if (!queue_.empty()) {
      Work work = std::move(queue_.front());
      queue_.pop_front();
      is_busy_ = true;
      lock.unlock();
      Do(std::move(work));
      lock.lock();
      is_busy_ = false;
      if (queue_.empty()) work_done_.notify_all();
    } else if (is_stopping_) {
      return;
    }
    if (std::chrono::steady_clock::now() < rescan_at) continue;
    lock.unlock();
    Rescan();
    MeasureBytes();  // other processes write, too
    rescan_at = std::chrono::steady_clock::now() + options_.rescan_interval;
    lock.lock();
  }
}

void DiskCacheStore::Do(Work work) {
  if (!work.entry) return MarkUsed(work.id);
  WriteEntry(work.id, *work.entry);
  work.entry.reset();  // the memory first, then the room in the queue
  const std::lock_guard lock(mutex_);
  queue_bytes_ -= work.bytes;
  queued_.erase(work.id);
}

void DiskCacheStore::MarkUsed(const CacheEntryId& id) {
  std::string path;
  uint32_t index = 0;
  uint64_t last_used_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = index_.entries.find(id);
    if (found == index_.entries.end()) return;
    path = index_.segments[found->second.segment].path;
    index = found->second.index;
    last_used_ms = found->second.last_used_ms;
  }
  // Not worth a word: without the mark the entry only looks older than it is.
  (void)SetCacheLastUsed(path, index, last_used_ms);
}

void DiskCacheStore::WriteEntry(const CacheEntryId& id, const CacheEntry& entry) {
  if (stats().read_only) return CountDropped();
  if (!MakeRoom(id, entry)) return CountDropped();
  const std::lock_guard files_lock(files_mutex_);
  Status status = OpenSegment();
  CacheRecord record{.last_used_ms = UnixTimeMs(), .kind = entry.kind, .key = id.key, .place = entry.place};
  uint32_t index = 0;
  if (status) {
    Result<uint32_t> appended = segment_->Append(record, entry.payload);
    if (appended) index = *appended;
    if (!appended) status = tl::unexpected<Error>(appended.error());
  }
  if (!status) {
    BecomeReadOnly(status.error().message);
    return CountDropped();
  }
  const std::lock_guard lock(mutex_);
  const uint32_t number = SegmentNumber(segment_->path());
  index_.segments[number].next_index = std::max(index_.segments[number].next_index, index + 1);
  index_.entries[id] = {InfoOf(entry.place, entry.payload.size()), number, index, record.last_used_ms};
  ++stats_.entries_written;
  stats_.bytes_written += entry.payload.size();
  stats_.bytes += BytesInFiles(entry.payload.size());
}

void DiskCacheStore::CountDropped() {
  const std::lock_guard lock(mutex_);
  ++stats_.entries_dropped;
}

// Requires: mutex_ is held.
uint32_t DiskCacheStore::SegmentNumber(const std::string& path) {
  for (uint32_t number = 0; number < index_.segments.size(); ++number) {
    if (index_.segments[number].path == path) return number;
  }
  index_.segments.push_back({.path = path});
  return static_cast<uint32_t>(index_.segments.size() - 1);
}

// False: the entry is not worth what would have to go for it, or cannot fit.
bool DiskCacheStore::MakeRoom(const CacheEntryId& id, const CacheEntry& entry) {
  const uint64_t needed = BytesInFiles(entry.payload.size());
  if (needed > options_.bytes_max) return false;
  if (stats().bytes + needed <= options_.bytes_max) return true;
  // What was added up since the last look errs on the large side.
  if (MeasureBytes() + needed <= options_.bytes_max) return true;
  if (std::chrono::steady_clock::now() < full_until_) return false;
  const uint64_t to_leave = options_.bytes_max - std::max(needed, options_.bytes_max / kEvictionShare);
  // What the entry continues must stay, or it could never be reached.
  const bool is_in_block =
      entry.kind == CacheEntryKind::kWindowSnapshot && Find({CacheEntryKind::kKvBlock, id.key});
  const Result<CachePruning> pruning = PruneCacheDirectory(
      directory_,
      {.bytes_max = to_leave, .pin = is_in_block ? id.key : entry.place.parent, .pin_store = store_});
  if (!pruning) {
    BecomeReadOnly(pruning.error().message);
    return false;
  }
  Rescan();
  const bool is_room = pruning->bytes_after + needed <= options_.bytes_max;
  if (!is_room) full_until_ = std::chrono::steady_clock::now() + options_.rescan_interval;
  const std::lock_guard lock(mutex_);
  stats_.bytes = pruning->bytes_after;
  stats_.entries_evicted += pruning->num_entries_evicted;
  return is_room;
}

uint64_t DiskCacheStore::MeasureBytes() {
  const uint64_t bytes = CacheDirectoryBytes(directory_);
  const std::lock_guard lock(mutex_);
  return stats_.bytes = bytes;
}

// Leaves segment_ ready for one more entry. Requires: files_mutex_ is held.
Status DiskCacheStore::OpenSegment() {
  if (segment_ && !segment_->IsFull(segment_bytes_max_) && segment_->IsLinked()) return {};
  segment_.reset();
  MIMO_RETURN_IF_ERROR(MakeCacheStore(folder_, fingerprint_));
  for (const std::string& path : CacheSegmentPaths(folder_)) {
    segment_ = CacheSegmentWriter::Adopt(path, store_, segment_bytes_max_);
    if (segment_) return {};
  }
  MIMO_ASSIGN_OR_RETURN(segment_, CacheSegmentWriter::Create(folder_, store_));
  return {};
}

// Requires: files_mutex_ is held, or nobody else knows this yet.
void DiskCacheStore::UpdateIndex() {
  const uint64_t eviction_count = CacheEvictionCount(directory_);
  Index index;
  {
    const std::lock_guard lock(mutex_);
    // Only files_mutex_'s holder changes the list of segments.
    if (index_.eviction_count == eviction_count) index.segments = index_.segments;
  }
  const bool is_new = index.segments.empty();
  index.eviction_count = eviction_count;
  ReadNewRecords(&index, is_new);
  const std::lock_guard lock(mutex_);
  if (is_new) {
    index_ = std::move(index);
    return;
  }
  index_.segments = std::move(index.segments);
  for (auto& [id, entry] : index.entries) index_.entries.emplace(id, entry);
}

// Adds the records that came after each segment's next_index.
void DiskCacheStore::ReadNewRecords(Index* index, bool is_new) {
  for (const std::string& path : CacheSegmentPaths(folder_)) {
    auto found = std::find_if(index->segments.begin(), index->segments.end(),
                              [&](const Segment& segment) { return segment.path == path; });
    if (found == index->segments.end()) found = index->segments.insert(found, {.path = path});
    if (foreign_.contains(path)) continue;
    std::error_code error;
    const uint64_t bytes = std::filesystem::file_size(CacheIndexPath(path), error);
    if (!error && !is_new && bytes <= CacheRecordOffset(found->next_index)) continue;
    const Result<CacheSegmentScan> scan = ScanCacheSegment(path, store_, found->next_index);
    if (!scan) {
      if (scan.error().code == ErrorCode::kNotFound) continue;
      foreign_.insert(path);
      LogWarning("prefix cache: skipped {}", scan.error().message);
      continue;
    }
    const auto number = static_cast<uint32_t>(found - index->segments.begin());
    found->next_index = scan->index.next_index;
    for (const auto& [record_index, record] : scan->index.records) {
      if (record.state != CacheRecordState::kLive) continue;
      index->entries.insert_or_assign(record.id(), StoredEntry{InfoOf(record.place, record.payload_bytes),
                                                               number, record_index, record.last_used_ms});
    }
  }
}

}  // namespace mimo
