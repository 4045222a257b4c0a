#pragma once
// One segment of the prefix cache on disk: an index file of fixed records and a data file of payloads, both
// only ever appended to by the one process that holds the segment's lock. A payload is written before its
// record, so a record that is there speaks of bytes that are; the record's checksum tells where a process
// died in the middle.
//
// Two fields of a record are overwritten in place, by any process: state and last use.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/cache_store_files.h"
#include "engine/cache_store_format.h"

namespace mimo {

constexpr std::string_view kCacheIndexSuffix = ".index";
constexpr std::string_view kCacheDataSuffix = ".data";

// `path` of a segment: of its files, without their suffixes.
std::string CacheIndexPath(const std::string& path);
std::string CacheDataPath(const std::string& path);

struct CacheSegmentScan {
  CacheIndexScan index;
  uint64_t data_bytes = 0;
};
// Reads the records from `first_index` on. kNotFound: it has gone. kDataLoss, kUnimplemented and
// kInvalidArgument, with the path: not a segment of `store`.
Result<CacheSegmentScan> ScanCacheSegment(const std::string& path, const CacheId& store,
                                          uint32_t first_index);

// Reads one record as it is now.
Result<CacheRecord> ReadCacheRecord(const std::string& path, uint32_t index);
// Reads the record's payload and compares its checksum. kDataLoss where it differs.
Status ReadCachePayload(const std::string& path, const CacheRecord& record, std::span<std::byte> out);

// Overwrite the field of some records in place.
Status SetCacheLastUsed(const std::string& path, uint32_t index, uint64_t last_used_ms);
// Marks the records evicted, then gives their space back. Errors of the second step are left for the next
// eviction in this segment, or for the segment's end.
Status EvictCacheRecords(const std::string& path, std::span<const IndexedCacheRecord> records);
// Deletes both files, unless a process writes to the segment. False where it is in use.
bool RemoveCacheSegment(const std::string& path);

// Not thread-safe. Holds the segment's lock for its life.
class CacheSegmentWriter {
 public:
  // A new segment in an existing folder.
  static Result<CacheSegmentWriter> Create(const std::string& folder, const CacheId& store);
  // Continues a segment that no process writes to, after cutting what a dead one left unfinished. Nothing
  // when it is in use, full, or not a segment of `store`.
  static std::optional<CacheSegmentWriter> Adopt(const std::string& path, const CacheId& store,
                                                 uint64_t segment_bytes_max);

  // Writes payload and record; fills in the record's payload fields and gives its index. After an error both
  // files end where they ended before, as far as the disk lets us.
  Result<uint32_t> Append(CacheRecord& record, std::span<const std::byte> payload);

  const std::string& path() const { return path_; }
  uint32_t num_records() const { return num_records_; }
  uint64_t data_bytes() const { return data_bytes_; }
  bool IsFull(uint64_t segment_bytes_max) const;
  // False when somebody deleted the files by hand.
  bool IsLinked() const { return index_.IsLinked() && data_.IsLinked(); }

 private:
  CacheSegmentWriter() = default;
  std::string path_;
  CacheFile index_;  // locked
  CacheFile data_;
  uint32_t num_records_ = 0;
  uint64_t data_bytes_ = 0;  // where the next payload begins
};

}  // namespace mimo
