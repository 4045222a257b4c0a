#include "server/batch_results.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/mapped_file.h"

namespace mimo {

Result<BatchResults> BatchResults::Open(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return Unavailable("cannot write the results: {} ({})", std::strerror(errno), path);
  BatchResults results(path, file);
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    return Unavailable("another process writes these results ({}): wait for it, or name another file", path);
  }
  MIMO_RETURN_IF_ERROR(results.ReadResults());
  return results;
}

BatchResults::~BatchResults() {
  if (file_ >= 0) close(file_);
}

BatchResults::BatchResults(BatchResults&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      custom_ids_(std::move(other.custom_ids_)),
      line_numbers_(std::move(other.line_numbers_)) {}

Status BatchResults::ReadResults() {
  MIMO_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(path_));
  const std::string_view text = mapped.text();
  size_t begin = 0;
  uint64_t number = 0;
  for (size_t end = 0; (end = text.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
    ++number;
    const Result<BatchResultKey> key = ParseBatchResult(text.substr(begin, end - begin));
    if (!key) {
      return DataLoss("line {} is {} ({}): name another file for the results", number, key.error().message,
                      path_);
    }
    if (key->custom_id) {
      custom_ids_.insert(*key->custom_id);
    } else {
      line_numbers_.insert(key->line_number);
    }
  }
  if (begin < text.size() && ftruncate(file_, static_cast<off_t>(begin)) != 0) {
    return Unavailable("cannot cut the torn last line off: {} ({})", std::strerror(errno), path_);
  }
  return {};
}

bool BatchResults::Has(const BatchLine& line) const {
  return line.custom_id ? custom_ids_.contains(*line.custom_id) : line_numbers_.contains(line.number);
}

Status BatchResults::Append(const std::string& result) {
  const std::lock_guard lock(mutex_);
  // Behind half a line nothing may follow: only as the last one is it known to be torn.
  if (is_torn_) return Unavailable("an earlier result could not be written ({})", path_);
  ssize_t written = 0;
  do {
    written = write(file_, result.data(), result.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(result.size())) return {};
  is_torn_ = true;
  return Unavailable("cannot write a result: {} ({}): make room and run again",
                     written < 0 ? std::strerror(errno) : "the disk is full", path_);
}

}  // namespace mimo
