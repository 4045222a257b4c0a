#include "engine/cache_store_segment.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

namespace mimo {
namespace {

CacheId RandomId() {
  std::random_device random;
  CacheId id;
  for (std::byte& byte : id) byte = static_cast<std::byte>(random());
  return id;
}

Error WithPath(const std::string& path, const Error& error) {
  return {error.code, fmt::format("{}: {}", path, error.message)};
}

Status CheckHeader(const CacheFile& file, CacheFileKind kind, const CacheId& store, const std::string& name) {
  std::array<std::byte, kCacheRecordBytes> bytes;
  MIMO_RETURN_IF_ERROR(file.ReadAt(0, bytes));
  MIMO_ASSIGN_OR_RETURN(const CacheFileHeader header, DecodeCacheFileHeader(bytes));
  if (header.kind != kind) return DataLoss("it is the other file of a segment");
  if (header.store != store) return DataLoss("it belongs to another store");
  if (PrefixKeyText(PrefixKey{header.segment}) != name) return DataLoss("it is not the file of its name");
  return {};
}

std::string SegmentName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<CacheIndexScan> ScanOpenSegment(const CacheFile& index, const CacheFile& data, uint32_t first_index) {
  MIMO_ASSIGN_OR_RETURN(const uint64_t index_bytes, index.Size());
  const uint64_t begin = CacheRecordOffset(std::min(first_index, kCacheRecordsPerSegmentMax));
  const uint64_t end = std::min(index_bytes, CacheRecordOffset(kCacheRecordsPerSegmentMax));
  std::vector<std::byte> bytes(end > begin ? end - begin : 0);
  MIMO_RETURN_IF_ERROR(index.ReadAt(begin, bytes));
  // After the index was read: payloads of those records are in the file by now.
  MIMO_ASSIGN_OR_RETURN(const uint64_t data_bytes, data.Size());
  return ScanCacheIndex(bytes, first_index, data_bytes);
}

std::array<std::byte, 4> StateBytes(CacheRecordState state) {
  return {static_cast<std::byte>(state), std::byte{0}, std::byte{0}, std::byte{0}};
}

}  // namespace

std::string CacheIndexPath(const std::string& path) { return path + std::string(kCacheIndexSuffix); }
std::string CacheDataPath(const std::string& path) { return path + std::string(kCacheDataSuffix); }

Result<CacheSegmentScan> ScanCacheSegment(const std::string& path, const CacheId& store,
                                          uint32_t first_index) {
  const std::string index_path = CacheIndexPath(path);
  const std::string data_path = CacheDataPath(path);
  MIMO_ASSIGN_OR_RETURN(const CacheFile index, CacheFile::Open(index_path, O_RDONLY));
  MIMO_ASSIGN_OR_RETURN(const CacheFile data, CacheFile::Open(data_path, O_RDONLY));
  const auto check = [&](const CacheFile& file, CacheFileKind kind, const std::string& file_path) -> Status {
    const Status status = CheckHeader(file, kind, store, SegmentName(path));
    if (!status) return tl::unexpected<Error>(WithPath(file_path, status.error()));
    return {};
  };
  MIMO_ASSIGN_OR_RETURN(const uint64_t index_bytes, index.Size());
  if (index_bytes == 0) return NotFound("{} is only being made", index_path);
  if (first_index == 0) {  // headers do not change
    MIMO_RETURN_IF_ERROR(check(index, CacheFileKind::kIndex, index_path));
    MIMO_RETURN_IF_ERROR(check(data, CacheFileKind::kData, data_path));
  }
  Result<CacheIndexScan> scan = ScanOpenSegment(index, data, first_index);
  if (!scan) return tl::unexpected<Error>(WithPath(index_path, scan.error()));
  MIMO_ASSIGN_OR_RETURN(const uint64_t data_bytes, data.Size());
  return CacheSegmentScan{std::move(*scan), data_bytes};
}

Result<CacheRecord> ReadCacheRecord(const std::string& path, uint32_t index) {
  MIMO_ASSIGN_OR_RETURN(const CacheFile file, CacheFile::Open(CacheIndexPath(path), O_RDONLY));
  std::array<std::byte, kCacheRecordBytes> bytes;
  MIMO_RETURN_IF_ERROR(file.ReadAt(CacheRecordOffset(index), bytes));
  return DecodeCacheRecord(bytes);
}

Status ReadCachePayload(const std::string& path, const CacheRecord& record, std::span<std::byte> out) {
  MIMO_ASSIGN_OR_RETURN(const CacheFile file, CacheFile::Open(CacheDataPath(path), O_RDONLY));
  MIMO_RETURN_IF_ERROR(file.ReadAt(record.payload_offset, out));
  if (CachePayloadChecksum(out) != record.payload_checksum) {
    return DataLoss("{}: the payload at offset {} fails its checksum", CacheDataPath(path),
                    record.payload_offset);
  }
  return {};
}

Status SetCacheLastUsed(const std::string& path, uint32_t index, uint64_t last_used_ms) {
  MIMO_ASSIGN_OR_RETURN(const CacheFile file, CacheFile::Open(CacheIndexPath(path), O_WRONLY));
  std::array<std::byte, 8> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(last_used_ms >> (8 * i));
  return file.WriteAt(CacheRecordOffset(index) + kCacheLastUsedOffset, bytes);
}

Status EvictCacheRecords(const std::string& path, std::span<const IndexedCacheRecord> records) {
  MIMO_ASSIGN_OR_RETURN(const CacheFile index, CacheFile::Open(CacheIndexPath(path), O_WRONLY));
  for (const IndexedCacheRecord& entry : records) {
    MIMO_RETURN_IF_ERROR(index.WriteAt(CacheRecordOffset(entry.index) + kCacheStateOffset,
                                       StateBytes(CacheRecordState::kEvicted)));
  }
  const Result<CacheFile> data = CacheFile::Open(CacheDataPath(path), O_WRONLY);
  if (!data) return {};
  for (const IndexedCacheRecord& entry : records) {
    const uint64_t offset = entry.record.payload_offset;
    if (!data->PunchHole(offset, entry.record.payload_end() - offset)) continue;
    MIMO_RETURN_IF_ERROR(index.WriteAt(CacheRecordOffset(entry.index) + kCacheStateOffset,
                                       StateBytes(CacheRecordState::kReturned)));
  }
  return {};
}

bool RemoveCacheSegment(const std::string& path) {
  const Result<CacheFile> index = CacheFile::Open(CacheIndexPath(path), O_RDWR);
  if (index && !index->TryLock()) return false;
  // The data file first: what is left after a crash in between is an index without data, which no reader
  // takes for a segment and the next look for leftovers deletes.
  unlink(CacheDataPath(path).c_str());
  unlink(CacheIndexPath(path).c_str());
  return true;
}

Result<CacheSegmentWriter> CacheSegmentWriter::Create(const std::string& folder, const CacheId& store) {
  CacheSegmentWriter writer;
  const CacheId segment = RandomId();
  writer.path_ = folder + "/" + PrefixKeyText(PrefixKey{segment});
  const std::string index_path = CacheIndexPath(writer.path_);
  MIMO_ASSIGN_OR_RETURN(writer.index_, CacheFile::Open(index_path, O_RDWR | O_CREAT | O_EXCL));
  // Not linked: somebody cleaned up before the lock was there.
  if (!writer.index_.TryLock() || !writer.index_.IsLinked()) {
    return ResourceExhausted("{} cannot be locked", index_path);
  }
  MIMO_ASSIGN_OR_RETURN(writer.data_,
                        CacheFile::Open(CacheDataPath(writer.path_), O_RDWR | O_CREAT | O_EXCL));
  const auto header = [&](CacheFileKind kind) {
    return EncodeCacheFileHeader({.kind = kind, .segment = segment, .store = store});
  };
  // The index's header last: readers take the segment for one when both are there.
  Status status = writer.data_.WriteAt(0, header(CacheFileKind::kData));
  if (status) status = writer.data_.Truncate(kCachePayloadAlignment);
  if (status) status = writer.index_.WriteAt(0, header(CacheFileKind::kIndex));
  if (!status) {
    unlink(CacheDataPath(writer.path_).c_str());
    unlink(index_path.c_str());
    return tl::unexpected<Error>(status.error());
  }
  writer.data_bytes_ = kCachePayloadAlignment;
  return writer;
}

std::optional<CacheSegmentWriter> CacheSegmentWriter::Adopt(const std::string& path, const CacheId& store,
                                                            uint64_t segment_bytes_max) {
  CacheSegmentWriter writer;
  writer.path_ = path;
  Result<CacheFile> index = CacheFile::Open(CacheIndexPath(path), O_RDWR);
  Result<CacheFile> data = CacheFile::Open(CacheDataPath(path), O_RDWR);
  // A segment may have been deleted between its opening and its locking.
  if (!index || !data || !index->TryLock() || !index->IsLinked() || !data->IsLinked()) return std::nullopt;
  if (!CheckHeader(*index, CacheFileKind::kIndex, store, SegmentName(path)) ||
      !CheckHeader(*data, CacheFileKind::kData, store, SegmentName(path))) {
    return std::nullopt;
  }
  const Result<CacheIndexScan> scan = ScanOpenSegment(*index, *data, 0);
  if (!scan) return std::nullopt;
  writer.num_records_ = scan->next_index;
  writer.data_bytes_ = kCachePayloadAlignment;
  for (const IndexedCacheRecord& entry : scan->records) {
    writer.data_bytes_ = std::max(writer.data_bytes_, entry.record.payload_end());
  }
  if (writer.IsFull(segment_bytes_max)) return std::nullopt;
  if (!index->Truncate(CacheRecordOffset(writer.num_records_)) || !data->Truncate(writer.data_bytes_)) {
    return std::nullopt;
  }
  writer.index_ = std::move(*index);
  writer.data_ = std::move(*data);
  return writer;
}

bool CacheSegmentWriter::IsFull(uint64_t segment_bytes_max) const {
  return num_records_ >= kCacheRecordsPerSegmentMax || data_bytes_ >= segment_bytes_max;
}

Result<uint32_t> CacheSegmentWriter::Append(CacheRecord& record, std::span<const std::byte> payload) {
  record.payload_offset = data_bytes_;
  record.payload_bytes = payload.size();
  record.payload_checksum = CachePayloadChecksum(payload);
  Status status = data_.WriteAt(record.payload_offset, payload);
  // The padding as well, so that the next payload begins at an aligned end.
  if (status) status = data_.Truncate(record.payload_end());
  if (status) status = index_.WriteAt(CacheRecordOffset(num_records_), EncodeCacheRecord(record));
  if (!status) {
    const Status data_cut = data_.Truncate(data_bytes_);
    const Status index_cut = index_.Truncate(CacheRecordOffset(num_records_));
    const bool is_cut = data_cut && index_cut;
    return ResourceExhausted("{}: {}{}", path_, status.error().message,
                             is_cut ? "" : "; the unfinished end could not be cut");
  }
  data_bytes_ = record.payload_end();
  return num_records_++;
}

}  // namespace mimo
