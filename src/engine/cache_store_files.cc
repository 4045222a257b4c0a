#include "engine/cache_store_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

namespace mimo {
namespace {

std::string ErrnoText(int error) { return std::generic_category().message(error); }

}  // namespace

CacheFile::~CacheFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

CacheFile::CacheFile(CacheFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

CacheFile& CacheFile::operator=(CacheFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Result<CacheFile> CacheFile::Open(const std::string& path, int flags) {
  // Without O_NONBLOCK, a pipe that somebody left in the folder would hold us up.
  CacheFile file(open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!file.is_open()) {
    const int error = errno;
    return MakeError(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
                     "{} cannot be opened: {}", path, ErrnoText(error));
  }
  struct stat status = {};
  if (fstat(file.descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    return InvalidArgument("{} is not a regular file", path);
  }
  return file;
}

Result<uint64_t> CacheFile::Size() const {
  struct stat status = {};
  if (fstat(descriptor_, &status) != 0) return DataLoss("size unknown: {}", ErrnoText(errno));
  return static_cast<uint64_t>(status.st_size);
}

bool CacheFile::IsLinked() const {
  struct stat status = {};
  return fstat(descriptor_, &status) == 0 && status.st_nlink > 0;
}

Status CacheFile::ReadAt(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t count = pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return DataLoss("cannot be read at offset {}: {}", offset, ErrnoText(errno));
    if (count == 0) return DataLoss("ends at offset {}", offset);
    out = out.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return {};
}

Status CacheFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return ResourceExhausted("{}", count < 0 ? ErrnoText(errno) : "nothing was written");
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return {};
}

Status CacheFile::Truncate(uint64_t size) const {
  if (ftruncate(descriptor_, static_cast<off_t>(size)) != 0) {
    return ResourceExhausted("cannot be cut: {}", ErrnoText(errno));
  }
  return {};
}

bool CacheFile::PunchHole(uint64_t offset, uint64_t size) const {
  return fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                   static_cast<off_t>(size)) == 0;
}

bool CacheFile::TryLock() const { return flock(descriptor_, LOCK_EX | LOCK_NB) == 0; }

bool CacheFile::WaitForLock() const {
  while (flock(descriptor_, LOCK_EX) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

void CacheFile::Unlock() const { (void)flock(descriptor_, LOCK_UN); }

Status MakeCacheFolder(const std::string& path) {
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(path, error);
  if (is_new && !error) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  }
  if (!error && !std::filesystem::is_directory(path)) return InvalidArgument("{} is not a folder", path);
  if (error) return InvalidArgument("folder {} cannot be made: {}", path, error.message());
  return {};
}

std::vector<std::string> ListCacheFolder(const std::string& path, size_t num_max) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()), closedir);
  if (folder == nullptr) return names;
  while (names.size() < num_max) {
    const dirent* const entry = readdir(folder.get());  // NOLINT(concurrency-mt-unsafe): a DIR of our own
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t BytesOnDisk(const std::string& path) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0) return 0;
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

Status WriteFileAtOnce(const std::string& path, const std::string& text) {
  const std::string part = fmt::format("{}.{}.part", path, getpid());
  MIMO_ASSIGN_OR_RETURN(const CacheFile file, CacheFile::Open(part, O_RDWR | O_CREAT | O_TRUNC));
  MIMO_RETURN_IF_ERROR(file.WriteAt(0, std::as_bytes(std::span(text))));
  if (std::rename(part.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(part.c_str());
    return ResourceExhausted("{} cannot be written: {}", path, ErrnoText(error));
  }
  return {};
}

uint64_t UnixTimeMs() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count());
}

}  // namespace mimo
