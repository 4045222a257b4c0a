#include "weights/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace mimo {
namespace {

tl::unexpected<Error> WriteError(const std::string& path, int error) {
  const ErrorCode code = error == ENOSPC ? ErrorCode::kResourceExhausted : ErrorCode::kInvalidArgument;
  return MakeError(code, "cannot write: {} ({}): check the path and the free space", std::strerror(error),
                   path);
}

}  // namespace

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Result<OutputFile> OutputFile::Create(const std::string& path, uint64_t size) {
  OutputFile file;
  file.path_ = path;
  file.descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file.descriptor_ < 0) return WriteError(path, errno);
  if (ftruncate(file.descriptor_, static_cast<off_t>(size)) != 0) return WriteError(path, errno);
  return file;
}

Status OutputFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return WriteError(path_, errno);
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Status OutputFile::Close() {
  if (descriptor_ < 0) return {};
  if (close(std::exchange(descriptor_, -1)) != 0) return WriteError(path_, errno);
  return {};
}

Status WriteTextFile(const std::string& path, std::string_view text) {
  MIMO_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path, text.size()));
  MIMO_RETURN_IF_ERROR(file.WriteAt(0, std::as_bytes(std::span(text))));
  return file.Close();
}

}  // namespace mimo
