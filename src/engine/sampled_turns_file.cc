#include "engine/sampled_turns_file.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "engine/cache_store_directory.h"
#include "engine/cache_store_format.h"

namespace mimo {
namespace {

// On-disk values: never change without another first line.
constexpr std::string_view kTurnsHeader = "mimo sampled turns 1\n";
constexpr size_t kTurnChecksumBytes = 16;
constexpr size_t kTurnHeadBytes = 32;

template <typename T>
T NumberAt(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

}  // namespace

std::vector<std::byte> EncodeSampledTurn(const SampledTurn& turn) {
  const std::array<uint32_t, 2> sizes = {static_cast<uint32_t>(turn.text.size()),
                                         static_cast<uint32_t>(turn.tokens.size())};
  std::vector<std::byte> record(kTurnHeadBytes + turn.text.size() + turn.tokens.size() * sizeof(TokenId));
  std::byte* at = record.data() + kTurnChecksumBytes;
  const auto put = [&at](const void* data, size_t num_bytes) {
    if (num_bytes > 0) std::memcpy(at, data, num_bytes);
    at += num_bytes;
  };
  put(&turn.before, sizeof(turn.before));
  put(sizes.data(), sizeof(sizes));
  put(turn.text.data(), turn.text.size());
  put(turn.tokens.data(), turn.tokens.size() * sizeof(TokenId));
  const auto checksum = CachePayloadChecksum(std::span(record).subspan(kTurnChecksumBytes));
  std::memcpy(record.data(), checksum.data(), checksum.size());
  return record;
}

SampledTurnsScan ScanSampledTurns(std::span<const std::byte> bytes) {
  SampledTurnsScan scan;
  while (bytes.size() - scan.end >= kTurnHeadBytes) {
    const auto rest = bytes.subspan(scan.end);
    const uint64_t text_bytes = NumberAt<uint32_t>(rest, 24);
    const uint64_t num_tokens = NumberAt<uint32_t>(rest, 28);
    const uint64_t record_bytes = kTurnHeadBytes + text_bytes + num_tokens * sizeof(TokenId);
    if (record_bytes > rest.size()) break;
    const auto record = rest.first(record_bytes);
    const auto checksum = CachePayloadChecksum(record.subspan(kTurnChecksumBytes));
    if (!std::equal(checksum.begin(), checksum.end(), record.begin())) break;
    SampledTurn turn{
        .before = NumberAt<uint64_t>(record, 16), .text = std::string(text_bytes, '\0'), .tokens = {}};
    turn.tokens.resize(num_tokens);
    if (text_bytes > 0) std::memcpy(turn.text.data(), record.data() + kTurnHeadBytes, text_bytes);
    if (num_tokens > 0) {
      std::memcpy(turn.tokens.data(), record.data() + kTurnHeadBytes + text_bytes,
                  num_tokens * sizeof(TokenId));
    }
    scan.turns.push_back(std::move(turn));
    scan.end += record_bytes;
  }
  return scan;
}

SampledTurnsFile::SampledTurnsFile(std::string folder, uint64_t bytes_max, SampledTurns& turns)
    : folder_(std::move(folder)),
      path_(fmt::format("{}/{}", folder_, kSampledTurnsFile)),
      bytes_max_(bytes_max),
      turns_(turns) {
  ReadNew();
}

void SampledTurnsFile::Keep(SampledTurn turn) {
  const std::vector<std::byte> record = EncodeSampledTurn(turn);
  turns_.Remember(std::move(turn));
  if (record.size() > bytes_max_ / 2) return;
  const std::lock_guard lock(mutex_);
  if (is_given_up_) return;
  if (const Status status = Append(record); !status) GiveUp(status.error());
}

void SampledTurnsFile::ReadNew() {
  const std::lock_guard lock(mutex_);
  if (is_given_up_) return;
  if (!file_.is_open() || !file_.IsLinked()) {
    Result<CacheFile> file = CacheFile::Open(path_, O_RDWR);
    if (!file && file.error().code == ErrorCode::kNotFound) return;
    if (!file) return GiveUp(file.error());
    file_ = *std::move(file);
    end_ = 0;
  }
  if (const Status status = ReadTail(); !status) GiveUp(status.error());
}

// A file that stops growing loses nothing but what a restart forgets.
void SampledTurnsFile::GiveUp(const Error& error) {
  is_given_up_ = true;
  file_ = CacheFile();
  LogWarning("{}: turns are only kept in memory from now on ({})", path_, error.message);
}

Status SampledTurnsFile::Append(std::span<const std::byte> record) {
  MIMO_RETURN_IF_ERROR(OpenLocked());
  MIMO_RETURN_IF_ERROR(ReadTail());
  if (end_ + record.size() > bytes_max_) return WriteAnew();
  // Nobody else writes now, so what is behind the last valid record was left by somebody who died.
  MIMO_RETURN_IF_ERROR(file_.Truncate(end_));
  if (end_ == 0) {
    MIMO_RETURN_IF_ERROR(file_.WriteAt(0, std::as_bytes(std::span(kTurnsHeader))));
    end_ = kTurnsHeader.size();
  }
  Status written = file_.WriteAt(end_, record);
  if (written) end_ += record.size();
  file_.Unlock();
  return written;
}

// Leaves file_ open and locked, and the one that others find under the path.
Status SampledTurnsFile::OpenLocked() {
  MIMO_RETURN_IF_ERROR(MakeCacheFolder(folder_));
  while (true) {
    if (!file_.is_open()) {
      MIMO_ASSIGN_OR_RETURN(file_, CacheFile::Open(path_, O_RDWR | O_CREAT));
      end_ = 0;
    }
    if (!file_.WaitForLock()) return Unavailable("it cannot be locked");
    if (file_.IsLinked()) return {};
    file_ = CacheFile();  // somebody wrote it anew, or removed it
  }
}

Status SampledTurnsFile::ReadTail() {
  MIMO_ASSIGN_OR_RETURN(const uint64_t size, file_.Size());
  if (size <= end_) return {};
  // More than is allowed here was written by somebody who may; it is not ours to hold.
  std::vector<std::byte> bytes(std::min(size - end_, bytes_max_));
  MIMO_RETURN_IF_ERROR(file_.ReadAt(end_, bytes));
  size_t header_bytes = 0;
  if (end_ == 0) {
    header_bytes = kTurnsHeader.size();
    if (bytes.size() < header_bytes) return {};  // its first writer died, or is at it
    if (std::memcmp(bytes.data(), kTurnsHeader.data(), header_bytes) != 0) {
      return DataLoss("it is not a file of sampled turns that this version reads");
    }
  }
  SampledTurnsScan scan = ScanSampledTurns(std::span(bytes).subspan(header_bytes));
  end_ += header_bytes + scan.end;
  for (SampledTurn& turn : scan.turns) turns_.Remember(std::move(turn));
  return {};
}

// Half of what is allowed, so that it is not due again at once. The turn that did not fit is the newest in
// memory.
Status SampledTurnsFile::WriteAnew() {
  const std::vector<SampledTurn> newest = turns_.Newest(bytes_max_ / 2);
  std::string text(kTurnsHeader);
  for (auto turn = newest.rbegin(); turn != newest.rend(); ++turn) {
    const std::vector<std::byte> record = EncodeSampledTurn(*turn);
    text.append(reinterpret_cast<const char*>(record.data()), record.size());
  }
  Status written = WriteFileAtOnce(path_, text);
  file_ = CacheFile();  // and its lock: the next look opens the new one
  end_ = 0;
  return written;
}

}  // namespace mimo
