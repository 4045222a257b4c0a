#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace mimo {
namespace {

constexpr uint64_t kPageSize = 4096;

tl::unexpected<Error> OpenError(const std::string& path) {
  if (errno == ENOENT) return NotFound("no such file ({})", path);
  return InvalidArgument("cannot read the file: {} ({})", std::generic_category().message(errno), path);
}

}  // namespace

MappedFile::~MappedFile() {
  if (data_ != nullptr && !is_view_) munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      is_view_(other.is_view_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(is_view_, other.is_view_);
  return *this;
}

Result<MappedFile> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must fail below, not wait for a writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return OpenError(path);
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return InvalidArgument("not a regular file ({})", path);
  }
  MappedFile file;
  file.path_ = path;
  file.size_ = static_cast<size_t>(info.st_size);
  if (file.size_ > 0) {
    void* const data = mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
      const auto error = OpenError(path);
      close(fd);
      file.size_ = 0;
      return error;
    }
    file.data_ = static_cast<std::byte*>(data);
  }
  close(fd);
  return file;
}

MappedFile MappedFile::View(std::string path, std::span<const std::byte> bytes) {
  MappedFile file;
  file.path_ = std::move(path);
  file.data_ = bytes.data();
  file.size_ = bytes.size();
  file.is_view_ = true;
  return file;
}

void MappedFile::Populate(uint64_t offset, uint64_t size) const {
  if (offset >= size_) return;
  const uint64_t begin = offset / kPageSize * kPageSize;
  const uint64_t end = offset + std::min<uint64_t>(size, size_ - offset);
#ifdef MADV_POPULATE_READ
  if (madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_POPULATE_READ) == 0) return;
#endif
  // Kernels before 5.14, and views that no page begins with: read one byte of each page.
  for (uint64_t at = begin; at < end; at += kPageSize) {
    static_cast<void>(*reinterpret_cast<const volatile std::byte*>(data_ + at));
  }
}

void MappedFile::Release(uint64_t offset, uint64_t size) const {
  if (is_view_ || offset >= size_) return;
  const uint64_t begin = (offset + kPageSize - 1) / kPageSize * kPageSize;
  const uint64_t end = (offset + std::min<uint64_t>(size, size_ - offset)) / kPageSize * kPageSize;
  if (begin < end)
    static_cast<void>(madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED));
}

Result<std::string> ReadTextFile(const std::string& path, size_t size_max) {
  MIMO_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  if (file.bytes().size() > size_max) {
    return ResourceExhausted("file is larger than {} bytes ({})", size_max, path);
  }
  return std::string(file.text());
}

}  // namespace mimo
