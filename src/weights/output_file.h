#pragma once
// A file of known size that several threads fill.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace mimo {

// Owns the descriptor; movable. Bytes never written are zero.
class OutputFile {
 public:
  OutputFile() = default;
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;

  // Creates or truncates `path`. Errors name the path.
  static Result<OutputFile> Create(const std::string& path, uint64_t size);

  // Any thread; ranges of concurrent calls must not overlap.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) const;

  // Reports what a delayed write could not do. Further calls do nothing.
  Status Close();

 private:
  std::string path_;
  int descriptor_ = -1;
};

// Writes a small file whole.
Status WriteTextFile(const std::string& path, std::string_view text);

}  // namespace mimo
