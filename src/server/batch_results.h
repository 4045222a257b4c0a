#pragma once
// The file that the results of a batch go to, and what stands in it already.

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_set>

#include "base/status.h"
#include "server/batch_file.h"

namespace mimo {

// Owns the file and a lock on it, which the end of the process releases. Thread-safe but for moving.
class BatchResults {
 public:
  // Creates the file, or reads the results in it; a last line that is not whole, as a kill leaves it, is cut
  // off. kUnavailable: the file cannot be opened or written, or another process writes it. kDataLoss: there
  // is something else in it.
  static Result<BatchResults> Open(const std::string& path);
  ~BatchResults();
  BatchResults(BatchResults&& other) noexcept;
  BatchResults& operator=(BatchResults&&) = delete;

  // Whether the line had its result when the file was opened.
  bool Has(const BatchLine& line) const;

  // `result` is a line with its end. Written with one call, so that a kill leaves it whole or not at all, but
  // for a full disk: then kUnavailable, and the next Open cuts off what there is.
  Status Append(const std::string& result);

 private:
  BatchResults(std::string path, int file) : path_(std::move(path)), file_(file) {}
  Status ReadResults();

  std::string path_;
  int file_ = -1;
  std::unordered_set<std::string> custom_ids_;
  std::unordered_set<uint64_t> line_numbers_;
  std::mutex mutex_;  // one Append at a time
  bool is_torn_ = false;
};

}  // namespace mimo
