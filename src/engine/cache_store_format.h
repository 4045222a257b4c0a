#pragma once
// The bytes of the prefix cache's files, as docs/formats/prefix-cache.md states them: pure functions between
// bytes and structs. Every input is hostile.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "engine/cache_store.h"

namespace mimo {

// On-disk values: never change without a new version.
constexpr uint32_t kCacheFormatVersion = 1;
constexpr size_t kCacheRecordBytes = 512;
constexpr uint64_t kCachePayloadAlignment = 4096;
// Bounds what a reader allocates; the largest model's window in float32 is a tenth of it.
constexpr uint64_t kCachePayloadBytesMax = uint64_t{1} << 30;
constexpr uint32_t kCacheTokensMax = 64;
constexpr size_t kCacheStateOffset = 4;  // in a record, the fields that are overwritten in place
constexpr size_t kCacheLastUsedOffset = 8;
// Bounds what a reader takes of one index: 32 MiB.
constexpr uint32_t kCacheRecordsPerSegmentMax = 1U << 16;

enum class CacheRecordState : uint32_t {
  kLive = 1,
  kEvicted = 2,   // not to be read; its space may still be taken
  kReturned = 3,  // and its space was given back to the file system
};

enum class CacheFileKind { kIndex, kData };

using CacheId = std::array<std::byte, 16>;

// Begins both files of a segment: the first record of the index, the first bytes of the data file.
struct CacheFileHeader {
  CacheFileKind kind = CacheFileKind::kIndex;
  CacheId segment = {};
  CacheId store = {};
};

struct CacheRecord {
  CacheRecordState state = CacheRecordState::kLive;
  uint64_t last_used_ms = 0;  // Unix time
  CacheEntryKind kind = CacheEntryKind::kKvBlock;
  PrefixKey key = {};
  CachePlace place = {};
  uint64_t payload_offset = 0;  // a multiple of kCachePayloadAlignment, at least that
  uint64_t payload_bytes = 0;
  std::array<std::byte, 16> payload_checksum = {};

  CacheEntryId id() const { return {kind, key}; }
  uint64_t payload_end() const;  // aligned: where the next payload may begin
};

std::array<std::byte, kCacheRecordBytes> EncodeCacheFileHeader(const CacheFileHeader& header);
// kDataLoss: not a file of this format. kUnimplemented: of a version that this program does not know.
Result<CacheFileHeader> DecodeCacheFileHeader(std::span<const std::byte> file);

// Requires: a record that DecodeCacheRecord could give.
std::array<std::byte, kCacheRecordBytes> EncodeCacheRecord(const CacheRecord& record);
// `bytes`: kCacheRecordBytes. kDataLoss says which field is wrong. The key is not recomputed.
Result<CacheRecord> DecodeCacheRecord(std::span<const std::byte> bytes);

struct IndexedCacheRecord {
  uint32_t index = 0;  // 0 is the first record after the header
  CacheRecord record;
};

struct CacheIndexScan {
  std::vector<IndexedCacheRecord> records = {};  // the valid ones
  uint32_t num_damaged = 0;                      // invalid ones before a valid one: not a torn tail
  uint32_t next_index = 0;                       // after the last valid one
};

// Reads records from `bytes`, which begin at record `first_index` of an index; `data_bytes` is the size of
// the segment's data file. A record that is cut, or whose payload is, is invalid.
CacheIndexScan ScanCacheIndex(std::span<const std::byte> bytes, uint32_t first_index, uint64_t data_bytes);

// XXH3, 128 bits.
std::array<std::byte, 16> CachePayloadChecksum(std::span<const std::byte> payload);

// Where a record begins in its index file.
constexpr uint64_t CacheRecordOffset(uint32_t index) { return (uint64_t{index} + 1) * kCacheRecordBytes; }

}  // namespace mimo
