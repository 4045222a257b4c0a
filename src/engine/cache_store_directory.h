#pragma once
// The folder of the prefix cache as a whole: stores by fingerprint, their segments, and what `mimo cache`
// does with them.
//
//   DIR/lock                              held by the process that evicts; counts the evictions
//   DIR/STORE/fingerprint.txt             what the payloads of this store depend on
//   DIR/STORE/SEGMENT.index, .data        engine/cache_store_segment.h
//   DIR/STORE/sampled_turns               engine/sampled_turns_file.h; goes with the last segment
//
// STORE and SEGMENT are 32 hexadecimal digits. Whatever else lies there is left alone.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/cache_store_eviction.h"
#include "engine/cache_store_segment.h"

namespace mimo {

constexpr std::string_view kSampledTurnsFile = "sampled_turns";

// Of a fingerprint's text; its hexadecimal form is the name of the store's folder.
CacheId CacheStoreId(const std::string& fingerprint);
std::string CacheStoreFolder(const std::string& directory, const CacheId& store);
// Makes the folder and its fingerprint.txt if they are not there. kDataLoss: it holds another fingerprint.
Status MakeCacheStore(const std::string& folder, const std::string& fingerprint);

// Paths of the segments in a store's folder, without suffixes.
std::vector<std::string> CacheSegmentPaths(const std::string& store_folder);

// Bytes on disk of all that lies in the stores of the folder.
uint64_t CacheDirectoryBytes(const std::string& directory);

// Rises with every eviction by any process: what was known of the folder before may be wrong.
uint64_t CacheEvictionCount(const std::string& directory);

struct CacheStoreListing {
  std::string folder;
  std::string fingerprint;  // empty where its file is missing
  uint64_t num_segments = 0;
  uint64_t num_blocks = 0;
  uint64_t num_snapshots = 0;
  uint64_t num_tokens = 0;  // of the blocks
  uint64_t num_branches = 0;
  uint64_t num_unreachable = 0;  // entries that cannot be used: what they continue is gone
  uint64_t num_damaged = 0;      // records that fail their checksum
  uint64_t payload_bytes = 0;
  uint64_t bytes_on_disk = 0;
  uint64_t last_used_ms = 0;  // 0 = never
};
// kNotFound: no such folder. Foreign and unreadable files are skipped with a warning.
Result<std::vector<CacheStoreListing>> ListCacheDirectory(const std::string& directory);

struct CacheVerification {
  uint64_t num_entries = 0;
  uint64_t num_unreachable = 0;
  uint64_t payload_bytes = 0;
  uint64_t num_damaged = 0;
  std::vector<std::string> problems;  // one line each, at most kCacheProblemsMax
};
constexpr size_t kCacheProblemsMax = 1000;
// Reads every entry: header, record, key, payload.
Result<CacheVerification> VerifyCacheDirectory(const std::string& directory);

struct CachePruneOptions {
  uint64_t bytes_max = UINT64_MAX;
  std::optional<PrefixKey> pin = {};  // block of `pin_store` that is needed, with all before it
  CacheId pin_store = {};
  bool remove_useless = false;  // also what cannot be used, whatever the size
};
struct CachePruning {
  uint64_t num_entries_evicted = 0;
  uint64_t num_segments_removed = 0;
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
};
// Evicts until the folder takes at most bytes_max, if the pin allows it. Waits for other processes that
// evict; does not hinder those that read or write.
Result<CachePruning> PruneCacheDirectory(const std::string& directory, const CachePruneOptions& options);

}  // namespace mimo
