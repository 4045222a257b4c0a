#include "engine/cache_store_directory.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/mapped_file.h"

namespace mimo {
namespace {

constexpr char kFingerprintFile[] = "fingerprint.txt";
constexpr size_t kFingerprintBytesMax = 1 << 16;
// More than a sane folder has; the rest is not looked at.
constexpr size_t kFilesMax = 1 << 16;

std::optional<CacheId> ParseId(std::string_view text) {
  CacheId id;
  if (text.size() != 2 * id.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t digit = std::string_view("0123456789abcdef").find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    id[i / 2] = i % 2 == 0 ? static_cast<std::byte>(digit << 4) : id[i / 2] | static_cast<std::byte>(digit);
  }
  return id;
}

// The folders of stores in `directory`.
std::vector<std::pair<std::string, CacheId>> StoreFolders(const std::string& directory) {
  std::vector<std::pair<std::string, CacheId>> folders;
  for (const std::string& name : ListCacheFolder(directory, kFilesMax)) {
    const std::optional<CacheId> id = ParseId(name);
    std::error_code error;
    const std::string folder = fmt::format("{}/{}", directory, name);
    if (id && std::filesystem::is_directory(std::filesystem::symlink_status(folder, error))) {
      folders.emplace_back(folder, *id);
    }
  }
  return folders;
}

uint64_t StoreBytesOnDisk(const std::string& folder) {
  uint64_t bytes = 0;
  for (const std::string& name : ListCacheFolder(folder, kFilesMax))
    bytes += BytesOnDisk(fmt::format("{}/{}", folder, name));
  return bytes;
}

struct ScannedSegment {
  uint32_t store = 0;
  std::string path;
  CacheIndexScan index;
};

struct DirectoryScan {
  std::vector<std::pair<std::string, CacheId>> stores;
  std::vector<ScannedSegment> segments;
  std::vector<std::string> leftovers;  // segments of which a file is missing or was never finished

  // The live entries, and where they stand: (segment, place in its records).
  std::vector<EvictionCandidate> candidates;
  std::vector<std::pair<size_t, size_t>> places;
};

void AddCandidates(size_t segment_index, DirectoryScan* scan) {
  const ScannedSegment& segment = scan->segments[segment_index];
  for (size_t i = 0; i < segment.index.records.size(); ++i) {
    const CacheRecord& record = segment.index.records[i].record;
    if (record.state != CacheRecordState::kLive) continue;
    scan->candidates.push_back({.store = segment.store,
                                .id = record.id(),
                                .parent = record.place.parent,
                                .position = record.place.position,
                                .num_tokens = static_cast<uint32_t>(record.place.tokens.size()),
                                .bytes = record.payload_end() - record.payload_offset,
                                .last_used_ms = record.last_used_ms});
    scan->places.emplace_back(segment_index, i);
  }
}

DirectoryScan ScanDirectory(const std::string& directory) {
  DirectoryScan scan;
  scan.stores = StoreFolders(directory);
  for (uint32_t store = 0; store < scan.stores.size(); ++store) {
    for (const std::string& path : CacheSegmentPaths(scan.stores[store].first)) {
      Result<CacheSegmentScan> segment = ScanCacheSegment(path, scan.stores[store].second, 0);
      if (segment) {
        scan.segments.push_back({store, path, std::move(segment->index)});
        AddCandidates(scan.segments.size() - 1, &scan);
      } else if (segment.error().code == ErrorCode::kNotFound) {
        scan.leftovers.push_back(path);
      } else {
        LogWarning("prefix cache: skipped {}", segment.error().message);
      }
    }
  }
  return scan;
}

Result<CacheFile> LockDirectory(const std::string& directory) {
  const std::string path = directory + "/lock";
  MIMO_ASSIGN_OR_RETURN(CacheFile lock, CacheFile::Open(path, O_RDWR | O_CREAT));
  if (!lock.WaitForLock()) return Unavailable("{} cannot be locked", path);
  return lock;
}

void CountEviction(const CacheFile& lock, const std::string& directory) {
  const uint64_t count = CacheEvictionCount(directory) + 1;
  const Status status = lock.WriteAt(0, std::as_bytes(std::span(&count, 1)));
  if (!status) LogWarning("prefix cache: {}/lock: {}", directory, status.error().message);
}

Status CheckDirectory(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::is_directory(directory, error)) return {};
  return NotFound("no prefix cache ({}): name its folder with --cache-dir", directory);
}

bool HasLiveRecord(const ScannedSegment& segment) {
  return std::any_of(segment.index.records.begin(), segment.index.records.end(),
                     [](const auto& entry) { return entry.record.state == CacheRecordState::kLive; });
}

// What one segment loses: the chosen entries, and those whose space an earlier eviction could not return.
std::vector<IndexedCacheRecord> RecordsToEvict(const ScannedSegment& segment, std::vector<size_t> chosen) {
  for (size_t i = 0; i < segment.index.records.size(); ++i) {
    if (segment.index.records[i].record.state == CacheRecordState::kEvicted) chosen.push_back(i);
  }
  std::vector<IndexedCacheRecord> records;
  records.reserve(chosen.size());
  for (const size_t i : chosen) records.push_back(segment.index.records[i]);
  return records;
}

std::vector<size_t> ChoosePruned(const DirectoryScan& scan, const CachePruneOptions& options,
                                 uint64_t bytes_on_disk) {
  std::optional<EvictionPin> pin;
  if (options.pin) {
    for (uint32_t store = 0; store < scan.stores.size(); ++store) {
      if (scan.stores[store].second == options.pin_store) pin = EvictionPin{store, *options.pin};
    }
  }
  uint64_t bytes_to_free = bytes_on_disk > options.bytes_max ? bytes_on_disk - options.bytes_max : 0;
  if (options.remove_useless) {
    bytes_to_free = std::max(bytes_to_free, SummarizeForest(scan.candidates).unreachable_bytes);
  }
  return ChooseEvictions(scan.candidates, bytes_to_free, pin);
}

void EvictChosen(DirectoryScan& scan, const std::vector<size_t>& chosen, CachePruning* pruning) {
  std::map<size_t, std::vector<size_t>> by_segment;
  for (const size_t index : chosen) by_segment[scan.places[index].first].push_back(scan.places[index].second);
  for (size_t i = 0; i < scan.segments.size(); ++i) {
    ScannedSegment& segment = scan.segments[i];
    const std::vector<size_t>& entries = by_segment[i];
    const std::vector<IndexedCacheRecord> records = RecordsToEvict(segment, entries);
    if (!records.empty()) {
      if (const Status status = EvictCacheRecords(segment.path, records); !status) {
        LogWarning("prefix cache: eviction from {} failed: {}", segment.path, status.error().message);
        continue;
      }
    }
    pruning->num_entries_evicted += entries.size();
    for (const size_t entry : entries) {
      segment.index.records[entry].record.state = CacheRecordState::kReturned;
    }
    if (!HasLiveRecord(segment) && RemoveCacheSegment(segment.path)) ++pruning->num_segments_removed;
  }
}

}  // namespace

CacheId CacheStoreId(const std::string& fingerprint) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  MIMO_CHECK(
      EVP_Digest(fingerprint.data(), fingerprint.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  CacheId id;
  std::memcpy(id.data(), digest.data(), id.size());
  return id;
}

std::string CacheStoreFolder(const std::string& directory, const CacheId& store) {
  return directory + "/" + PrefixKeyText(PrefixKey{store});
}

Status MakeCacheStore(const std::string& folder, const std::string& fingerprint) {
  MIMO_RETURN_IF_ERROR(MakeCacheFolder(folder));
  const std::string path = folder + "/" + kFingerprintFile;
  const Result<std::string> present = ReadTextFile(path, kFingerprintBytesMax);
  if (!present) return WriteFileAtOnce(path, fingerprint);
  if (*present != fingerprint) return DataLoss("{} is not what this folder is named after", path);
  return {};
}

std::vector<std::string> CacheSegmentPaths(const std::string& store_folder) {
  std::vector<std::string> paths;
  for (const std::string& name : ListCacheFolder(store_folder, kFilesMax)) {
    if (!name.ends_with(kCacheIndexSuffix)) continue;
    const std::string segment = name.substr(0, name.size() - kCacheIndexSuffix.size());
    if (ParseId(segment)) paths.push_back(fmt::format("{}/{}", store_folder, segment));
  }
  return paths;
}

uint64_t CacheDirectoryBytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& [folder, id] : StoreFolders(directory)) bytes += StoreBytesOnDisk(folder);
  return bytes;
}

uint64_t CacheEvictionCount(const std::string& directory) {
  uint64_t count = 0;
  const Result<CacheFile> lock = CacheFile::Open(directory + "/lock", O_RDONLY);
  if (lock && !lock->ReadAt(0, std::as_writable_bytes(std::span(&count, 1)))) return 0;
  return count;
}

Result<std::vector<CacheStoreListing>> ListCacheDirectory(const std::string& directory) {
  MIMO_RETURN_IF_ERROR(CheckDirectory(directory));
  const DirectoryScan scan = ScanDirectory(directory);
  std::vector<CacheStoreListing> listings(scan.stores.size());
  for (size_t store = 0; store < listings.size(); ++store) {
    CacheStoreListing& listing = listings[store];
    listing.folder = scan.stores[store].first;
    listing.fingerprint =
        ReadTextFile(listing.folder + "/" + kFingerprintFile, kFingerprintBytesMax).value_or("");
    listing.bytes_on_disk = StoreBytesOnDisk(listing.folder);
    std::vector<EvictionCandidate> entries;
    for (const EvictionCandidate& entry : scan.candidates) {
      if (entry.store == store) entries.push_back(entry);
    }
    const CacheForestSummary summary = SummarizeForest(entries);
    listing.num_branches = summary.num_branches;
    listing.num_unreachable = summary.num_unreachable;
  }
  for (const ScannedSegment& segment : scan.segments) {
    ++listings[segment.store].num_segments;
    listings[segment.store].num_damaged += segment.index.num_damaged;
  }
  for (size_t i = 0; i < scan.candidates.size(); ++i) {
    const EvictionCandidate& entry = scan.candidates[i];
    const auto [segment, place] = scan.places[i];
    CacheStoreListing& listing = listings[entry.store];
    const bool is_block = entry.id.kind == CacheEntryKind::kKvBlock;
    ++(is_block ? listing.num_blocks : listing.num_snapshots);
    if (is_block) listing.num_tokens += entry.num_tokens;
    listing.payload_bytes += scan.segments[segment].index.records[place].record.payload_bytes;
    listing.last_used_ms = std::max(listing.last_used_ms, entry.last_used_ms);
  }
  return listings;
}

Result<CacheVerification> VerifyCacheDirectory(const std::string& directory) {
  MIMO_RETURN_IF_ERROR(CheckDirectory(directory));
  const DirectoryScan scan = ScanDirectory(directory);
  CacheVerification verification;
  verification.num_unreachable = SummarizeForest(scan.candidates).num_unreachable;
  const auto report = [&](std::string problem) {
    ++verification.num_damaged;
    if (verification.problems.size() < kCacheProblemsMax) {
      verification.problems.push_back(std::move(problem));
    }
  };
  for (const ScannedSegment& segment : scan.segments) {
    for (uint32_t i = 0; i < segment.index.num_damaged; ++i) {
      report(fmt::format("{}: a record fails its checksum", CacheIndexPath(segment.path)));
    }
  }
  std::vector<std::byte> payload;
  for (const auto& [segment, place] : scan.places) {
    const std::string& path = scan.segments[segment].path;
    const IndexedCacheRecord& entry = scan.segments[segment].index.records[place];
    ++verification.num_entries;
    verification.payload_bytes += entry.record.payload_bytes;
    if (ExtendPrefixKey(entry.record.place.parent, entry.record.place.tokens) != entry.record.key) {
      report(fmt::format("{}: the key of record {} is not that of its tokens", CacheIndexPath(path),
                         entry.index));
    }
    payload.resize(entry.record.payload_bytes);  // at most the data file's size
    const Status status = ReadCachePayload(path, entry.record, payload);
    if (status) continue;
    // It may have been evicted while this ran.
    const Result<CacheRecord> now = ReadCacheRecord(path, entry.index);
    if (now && now->state == CacheRecordState::kLive) report(status.error().message);
  }
  return verification;
}

Result<CachePruning> PruneCacheDirectory(const std::string& directory, const CachePruneOptions& options) {
  MIMO_RETURN_IF_ERROR(CheckDirectory(directory));
  MIMO_ASSIGN_OR_RETURN(const CacheFile lock, LockDirectory(directory));
  CachePruning pruning;
  pruning.bytes_before = CacheDirectoryBytes(directory);
  DirectoryScan scan = ScanDirectory(directory);
  for (const std::string& path : scan.leftovers) {
    if (RemoveCacheSegment(path)) ++pruning.num_segments_removed;
  }
  EvictChosen(scan, ChoosePruned(scan, options, pruning.bytes_before), &pruning);
  CountEviction(lock, directory);
  for (const auto& [folder, id] : scan.stores) {
    // A store that lost its last segment. Whoever opened it makes the folder again when it writes. Turns as
    // sampled are of no use without the keys that they lead to.
    if (!CacheSegmentPaths(folder).empty()) continue;
    unlink(fmt::format("{}/{}", folder, kSampledTurnsFile).c_str());
    unlink((folder + "/" + kFingerprintFile).c_str());
    rmdir(folder.c_str());
  }
  pruning.bytes_after = CacheDirectoryBytes(directory);
  return pruning;
}

}  // namespace mimo
