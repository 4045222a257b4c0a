#pragma once
// Who may use the server.

#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "server/key_file.h"

namespace mimo {

// The keys of a file, which is read again when it has changed: a key that is removed stops working within a
// second. Requests that run go on. Thread-safe.
class ApiKeys {
 public:
  // kNotFound, kInvalidArgument: as the file says. An empty file is an error: it would lock everybody out.
  static Result<std::unique_ptr<ApiKeys>> Open(
      const std::string& path, std::chrono::milliseconds look_interval = std::chrono::seconds(1));

  // The key that was presented; nothing when it is unknown. Compares hashes with every key of the file in
  // constant time, so that the time taken tells nothing about them.
  std::optional<ApiKey> Find(std::string_view presented);

  // Reads the file now. What it held before stays in force when it cannot be read, and the log says why.
  void Reload();

 private:
  // Tells one content of the file from the next.
  struct FileMark {
    ino_t inode = 0;
    off_t size = 0;
    timespec changed_at = {};
    bool operator==(const FileMark& other) const;
  };

  ApiKeys(std::string path, std::chrono::milliseconds look_interval)
      : path_(std::move(path)), look_interval_(look_interval) {}
  FileMark Mark() const;
  Status Read();
  void ReloadIfChanged();

  const std::string path_;
  const std::chrono::milliseconds look_interval_;  // between two looks at the file's mark
  std::mutex mutex_;                               // guards what follows
  std::shared_ptr<const std::vector<ApiKey>> keys_;
  FileMark mark_;
  std::chrono::steady_clock::time_point looked_at_;
};

}  // namespace mimo
