#include "engine/cache_store_format.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/check.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mimo {
namespace {

constexpr std::string_view kIndexMagic = "MiMoKVix";
constexpr std::string_view kDataMagic = "MiMoKVda";
constexpr uint32_t kRecordMagic = 0x56'4b'69'4d;  // "MiKV"
// A checksum covers what follows it; state and last use stand before it, since they change.
constexpr size_t kHeaderChecksumOffset = kCacheRecordBytes - 8;
constexpr size_t kRecordChecksumOffset = 16;
constexpr size_t kRecordCheckedOffset = 24;
constexpr size_t kRecordTokensOffset = 256;
static_assert(kRecordTokensOffset + kCacheTokensMax * sizeof(uint32_t) == kCacheRecordBytes);
static_assert(kCacheTokensMax == 64, "a block of the KV cache");
// Far beyond any disk, and sums of two of them do not overflow.
constexpr uint64_t kFileBytesMax = uint64_t{1} << 60;

template <typename Integer>
void Store(std::span<std::byte> bytes, size_t offset, Integer value) {
  for (size_t i = 0; i < sizeof(Integer); ++i) {
    bytes[offset + i] = static_cast<std::byte>(static_cast<uint64_t>(value) >> (8 * i));
  }
}

template <typename Integer>
Integer Load(std::span<const std::byte> bytes, size_t offset) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(Integer); ++i) value |= static_cast<uint64_t>(bytes[offset + i]) << (8 * i);
  return static_cast<Integer>(value);
}

template <size_t kSize>
void StoreBytes(std::span<std::byte> bytes, size_t offset, const std::array<std::byte, kSize>& value) {
  std::copy(value.begin(), value.end(), bytes.begin() + static_cast<ptrdiff_t>(offset));
}

std::array<std::byte, 16> LoadBytes(std::span<const std::byte> bytes, size_t offset) {
  std::array<std::byte, 16> value;
  std::memcpy(value.data(), bytes.data() + offset, value.size());
  return value;
}

uint64_t Checksum(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

uint64_t RecordChecksum(std::span<const std::byte> record) {
  return Checksum(record.subspan(kRecordCheckedOffset));
}

Status CheckRecord(const CacheRecord& record) {
  if (record.kind != CacheEntryKind::kKvBlock && record.kind != CacheEntryKind::kWindowSnapshot) {
    return DataLoss("unknown kind of entry {}", static_cast<int>(record.kind));
  }
  if (record.place.tokens.empty() || record.place.tokens.size() > kCacheTokensMax) {
    return DataLoss("{} tokens in an entry", record.place.tokens.size());
  }
  if (record.place.position % kCacheTokensMax != 0) {
    return DataLoss("position {} is not at a block's begin", record.place.position);
  }
  // At the beginning the parent is the key of a salt, or zero.
  if (record.place.position != 0 && record.place.parent == PrefixKey()) {
    return DataLoss("nothing before position {}", record.place.position);
  }
  if (record.payload_offset < kCachePayloadAlignment || record.payload_offset % kCachePayloadAlignment != 0 ||
      record.payload_offset > kFileBytesMax) {
    return DataLoss("payload at offset {}", record.payload_offset);
  }
  if (record.payload_bytes == 0 || record.payload_bytes > kCachePayloadBytesMax) {
    return DataLoss("payload of {} bytes", record.payload_bytes);
  }
  return {};
}

}  // namespace

uint64_t CacheRecord::payload_end() const {
  const uint64_t end = payload_offset + payload_bytes;
  return (end + kCachePayloadAlignment - 1) / kCachePayloadAlignment * kCachePayloadAlignment;
}

std::array<std::byte, kCacheRecordBytes> EncodeCacheFileHeader(const CacheFileHeader& header) {
  std::array<std::byte, kCacheRecordBytes> bytes = {};
  const std::string_view magic = header.kind == CacheFileKind::kIndex ? kIndexMagic : kDataMagic;
  std::memcpy(bytes.data(), magic.data(), magic.size());
  Store(bytes, 8, kCacheFormatVersion);
  Store(bytes, 12, static_cast<uint32_t>(kCacheRecordBytes));
  StoreBytes(bytes, 16, header.segment);
  StoreBytes(bytes, 32, header.store);
  Store(bytes, kHeaderChecksumOffset, Checksum(std::span(bytes).first(kHeaderChecksumOffset)));
  return bytes;
}

Result<CacheFileHeader> DecodeCacheFileHeader(std::span<const std::byte> file) {
  if (file.size() < kCacheRecordBytes) return DataLoss("the file ends inside its header");
  const std::string_view magic(reinterpret_cast<const char*>(file.data()), kIndexMagic.size());
  if (magic != kIndexMagic && magic != kDataMagic) return DataLoss("not a file of the prefix cache");
  const std::span<const std::byte> bytes = file.first(kCacheRecordBytes);
  if (Load<uint64_t>(bytes, kHeaderChecksumOffset) != Checksum(bytes.first(kHeaderChecksumOffset))) {
    return DataLoss("the header's checksum is wrong");
  }
  const uint32_t version = Load<uint32_t>(bytes, 8);
  if (version != kCacheFormatVersion || Load<uint32_t>(bytes, 12) != kCacheRecordBytes) {
    return Unimplemented("format version {}, this program reads {}", version, kCacheFormatVersion);
  }
  return CacheFileHeader{.kind = magic == kIndexMagic ? CacheFileKind::kIndex : CacheFileKind::kData,
                         .segment = LoadBytes(bytes, 16),
                         .store = LoadBytes(bytes, 32)};
}

std::array<std::byte, kCacheRecordBytes> EncodeCacheRecord(const CacheRecord& record) {
  MIMO_CHECK(CheckRecord(record).has_value());
  std::array<std::byte, kCacheRecordBytes> bytes = {};
  Store(bytes, 0, kRecordMagic);
  Store(bytes, kCacheStateOffset, static_cast<uint32_t>(record.state));
  Store(bytes, kCacheLastUsedOffset, record.last_used_ms);
  Store(bytes, 24, static_cast<uint8_t>(record.kind));
  Store(bytes, 28, static_cast<uint32_t>(record.place.tokens.size()));
  StoreBytes(bytes, 32, record.key.bytes);
  StoreBytes(bytes, 48, record.place.parent.bytes);
  Store(bytes, 64, record.payload_offset);
  Store(bytes, 72, record.payload_bytes);
  StoreBytes(bytes, 80, record.payload_checksum);
  Store(bytes, 96, record.place.position);
  for (size_t i = 0; i < record.place.tokens.size(); ++i) {
    Store(bytes, kRecordTokensOffset + i * sizeof(uint32_t), record.place.tokens[i]);
  }
  Store(bytes, kRecordChecksumOffset, RecordChecksum(bytes));
  return bytes;
}

Result<CacheRecord> DecodeCacheRecord(std::span<const std::byte> bytes) {
  if (bytes.size() != kCacheRecordBytes) return DataLoss("the record is cut");
  if (Load<uint32_t>(bytes, 0) != kRecordMagic) return DataLoss("not a record");
  if (Load<uint64_t>(bytes, kRecordChecksumOffset) != RecordChecksum(bytes)) {
    return DataLoss("the record's checksum is wrong");
  }
  CacheRecord record;
  // A state that this program does not know is one in which the payload must not be read.
  const uint32_t state = Load<uint32_t>(bytes, kCacheStateOffset);
  record.state = state == static_cast<uint32_t>(CacheRecordState::kLive)       ? CacheRecordState::kLive
                 : state == static_cast<uint32_t>(CacheRecordState::kReturned) ? CacheRecordState::kReturned
                                                                               : CacheRecordState::kEvicted;
  record.last_used_ms = Load<uint64_t>(bytes, kCacheLastUsedOffset);
  record.kind = static_cast<CacheEntryKind>(Load<uint8_t>(bytes, 24));
  const uint32_t num_tokens = Load<uint32_t>(bytes, 28);
  if (num_tokens > kCacheTokensMax) return DataLoss("{} tokens in an entry", num_tokens);
  record.key.bytes = LoadBytes(bytes, 32);
  record.place.parent.bytes = LoadBytes(bytes, 48);
  record.payload_offset = Load<uint64_t>(bytes, 64);
  record.payload_bytes = Load<uint64_t>(bytes, 72);
  record.payload_checksum = LoadBytes(bytes, 80);
  record.place.position = Load<uint32_t>(bytes, 96);
  for (uint32_t i = 0; i < num_tokens; ++i) {
    record.place.tokens.push_back(Load<uint32_t>(bytes, kRecordTokensOffset + i * sizeof(uint32_t)));
  }
  MIMO_RETURN_IF_ERROR(CheckRecord(record));
  return record;
}

CacheIndexScan ScanCacheIndex(std::span<const std::byte> bytes, uint32_t first_index, uint64_t data_bytes) {
  CacheIndexScan scan{.next_index = first_index};
  for (uint32_t i = 0; (size_t{i} + 1) * kCacheRecordBytes <= bytes.size(); ++i) {
    Result<CacheRecord> record = DecodeCacheRecord(bytes.subspan(i * kCacheRecordBytes, kCacheRecordBytes));
    if (!record || record->payload_offset + record->payload_bytes > data_bytes) continue;
    const uint32_t index = first_index + i;
    scan.num_damaged += index - scan.next_index;
    scan.next_index = index + 1;
    scan.records.push_back({index, std::move(*record)});
  }
  return scan;
}

std::array<std::byte, 16> CachePayloadChecksum(std::span<const std::byte> payload) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(payload.data(), payload.size()));
  std::array<std::byte, 16> checksum;
  static_assert(sizeof(canonical.digest) == sizeof(checksum));
  std::memcpy(checksum.data(), canonical.digest, checksum.size());
  return checksum;
}

}  // namespace mimo
