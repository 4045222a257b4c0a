#pragma once
// A whole file mapped read-only. The kernel's page cache is the only copy of its bytes.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace mimo {

// Owns the mapping, unless it is a view; movable. Spans into bytes() stay valid for its life, also after a
// move. A file that another process truncates while it is mapped raises SIGBUS on access, as with every mmap
// reader.
class MappedFile {
 public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  // kNotFound or kInvalidArgument (a folder, unreadable) name the path. An empty file gives an empty span.
  static Result<MappedFile> Open(const std::string& path);

  // A file that is in memory already, such as a part of the program; `bytes` must outlive the result. `path`
  // is for messages.
  static MappedFile View(std::string path, std::span<const std::byte> bytes);

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::string& path() const { return path_; }

  // Makes [offset, offset + size) resident now, so that the first token does not pay for it. Best effort.
  void Populate(uint64_t offset, uint64_t size) const;

  // The opposite: [offset, offset + size) is not needed soon. It is read from the file again when it is.
  // Nothing happens to a view.
  void Release(uint64_t offset, uint64_t size) const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool is_view_ = false;
};

// Reads a small text file (config.json, index, tokens) whole. kResourceExhausted when larger than `size_max`.
Result<std::string> ReadTextFile(const std::string& path, size_t size_max = size_t{1} << 30);

}  // namespace mimo
