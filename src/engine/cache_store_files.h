#pragma once
// The system calls of the cache's tier on disk, with errors as values.

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace mimo {

// Owns an open file. Closed on exec; a signal in the middle of a call does not fail it.
class CacheFile {
 public:
  CacheFile() = default;
  explicit CacheFile(int descriptor) : descriptor_(descriptor) {}
  ~CacheFile();
  CacheFile(CacheFile&& other) noexcept;
  CacheFile& operator=(CacheFile&& other) noexcept;

  // Regular files only, and no links: what else lies in the folder is not ours. `flags` as for open(2).
  // kNotFound where there is none; kInvalidArgument, with the path, for anything else.
  static Result<CacheFile> Open(const std::string& path, int flags);

  bool is_open() const { return descriptor_ >= 0; }
  Result<uint64_t> Size() const;
  bool IsLinked() const;  // still has a name

  // kDataLoss where the file ends before `out` is full.
  Status ReadAt(uint64_t offset, std::span<std::byte> out) const;
  // kResourceExhausted, naming the reason, where not all could be written.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) const;
  Status Truncate(uint64_t size) const;
  // Gives the space of a range back to the file system. False where that cannot be done.
  bool PunchHole(uint64_t offset, uint64_t size) const;

  // Of the open file, until it is closed or the process ends, however it ends.
  bool TryLock() const;
  bool WaitForLock() const;
  void Unlock() const;

 private:
  int descriptor_ = -1;
};

// Creates the folder and those above it, readable by the owner alone.
Status MakeCacheFolder(const std::string& path);
// Names of the entries of a folder, sorted, at most `num_max`; none where there is no folder.
std::vector<std::string> ListCacheFolder(const std::string& path, size_t num_max);
// Bytes that the file takes on its disk, holes left out; 0 where there is none.
uint64_t BytesOnDisk(const std::string& path);
// All of `text`, under its name only when it is complete.
Status WriteFileAtOnce(const std::string& path, const std::string& text);

uint64_t UnixTimeMs();

}  // namespace mimo
