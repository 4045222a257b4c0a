#pragma once
// Sampled turns (text/sampled_turns.h) that outlive the process: a file beside the keys and values that they
// lead to, in the store's folder of the prefix cache. docs/formats/prefix-cache.md describes it.
//
//   Keep -> memory, and a record at the end of the file
//   ReadNew: records that other processes appended -> memory
//
// Records are appended by whoever holds the file's lock, each with its checksum; what is behind the last
// valid one is cut by the next who appends. A file that has become too long is written anew, with what was
// used last.

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/cache_store_files.h"
#include "text/sampled_turns.h"

namespace mimo {

// Thread-safe.
class SampledTurnsFile {
 public:
  // In `folder`, which is made when something is written. Reads what is there into `turns`, which must
  // outlive this. A file that cannot be used gives one warning; then turns are only in memory.
  SampledTurnsFile(std::string folder, uint64_t bytes_max, SampledTurns& turns);

  // Remembers the turn here and in memory; when it returns, a kill loses nothing. Writes on the calling
  // thread: some kilobytes, to the page cache.
  void Keep(SampledTurn turn);
  // Looks for turns of other processes. Cheap when there are none.
  void ReadNew();

 private:
  // With mutex_ held:
  Status Append(std::span<const std::byte> record);
  Status OpenLocked();
  Status ReadTail();
  Status WriteAnew();
  void GiveUp(const Error& error);

  const std::string folder_;
  const std::string path_;
  const uint64_t bytes_max_;
  SampledTurns& turns_;

  std::mutex mutex_;  // guards what follows
  CacheFile file_;
  uint64_t end_ = 0;  // of what was read or written here
  bool is_given_up_ = false;
};

// The records of `bytes`, which begin where one does, up to the first that is not whole and valid; `end` is
// where that begins. Every input is hostile.
struct SampledTurnsScan {
  std::vector<SampledTurn> turns;
  size_t end = 0;
};
SampledTurnsScan ScanSampledTurns(std::span<const std::byte> bytes);
std::vector<std::byte> EncodeSampledTurn(const SampledTurn& turn);

}  // namespace mimo
