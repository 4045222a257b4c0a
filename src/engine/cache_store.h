#pragma once
// The prefix cache's tier on disk: keys and values of token blocks, and snapshots of the sliding windows,
// kept across restarts and shared by processes. docs/formats/prefix-cache.md describes the files,
// docs/decisions/0018-cache-on-disk.md why they are so.
//
//   Put -> queue -> writer thread -> segments of this process
//   Find -> index in memory <- rescans <- segments of every process
//   Read -> one pread, verified: tokens, parent, checksum
//
// What is read is what was put, or an error: torn, foreign, evicted and damaged entries count as absent. The
// cache holds prompts, so its folder is readable by its owner alone.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "engine/prefix_key.h"

namespace mimo {

// On-disk values: never renumber.
enum class CacheEntryKind : uint8_t {
  kKvBlock = 1,         // full-attention layers of one block of tokens
  kWindowSnapshot = 2,  // sliding-window layers after the last of `tokens`
};

struct CacheEntryId {
  CacheEntryKind kind = CacheEntryKind::kKvBlock;
  PrefixKey key = {};  // of the prefix that ends with this entry's last token

  bool operator==(const CacheEntryId&) const = default;
};

// Where an entry stands in the text. `tokens` are those after the last whole block before the entry's end: 1
// to kKvBlockTokens of them, so that a snapshot at a block's end has that block's tokens and key, and one
// inside a block has the tokens of the begun block. key = ExtendPrefixKey(parent, tokens).
struct CachePlace {
  PrefixKey parent = {};  // where position is 0, that of the salt: all zero without one
  uint32_t position = 0;  // of tokens[0]; a multiple of kKvBlockTokens
  std::vector<TokenId> tokens = {};
};

struct CacheEntry {
  CacheEntryKind kind = CacheEntryKind::kKvBlock;
  CachePlace place = {};
  std::vector<std::byte> payload = {};  // 1 byte to 1 GiB; opaque here
};

struct CacheEntryInfo {
  PrefixKey parent = {};
  uint32_t position = 0;
  uint32_t num_tokens = 0;
  uint64_t payload_bytes = 0;
};

struct CacheStoreOptions {
  // All stores below the folder together. When it is exceeded, branches that were not used for longest go
  // first, each from its end, and the window at a branch's end last (engine/cache_store_eviction.h).
  uint64_t bytes_max = uint64_t{16} << 30;
  // Payloads that wait for the disk; what exceeds it is dropped and counted.
  uint64_t queue_bytes_max = uint64_t{256} << 20;
  // How often entries of other processes are looked for.
  std::chrono::milliseconds rescan_interval{2000};
  // A segment that has reached it is not written further; 0 = a share of bytes_max.
  uint64_t segment_bytes_max = 0;
};

struct CacheStoreStats {
  uint64_t entries = 0;  // that can be found now, other processes' included
  uint64_t bytes = 0;    // of the whole folder on disk, as of the last look
  uint64_t entries_written = 0;
  uint64_t bytes_written = 0;
  uint64_t entries_dropped = 0;  // the queue was full or the store is read-only
  uint64_t entries_read = 0;
  uint64_t bytes_read = 0;
  uint64_t entries_damaged = 0;  // failed verification when read
  uint64_t entries_evicted = 0;  // by this process
  uint64_t num_evictions = 0;    // from the folder, by any process, as of the last look
  bool read_only = false;        // a write failed: a warning said why
};

// Thread-safe.
class CacheStore {
 public:
  // Opens or makes the store of `fingerprint` in `directory`. `fingerprint` is text, a line "name: value" for
  // each thing that the payloads depend on: model, quantisation, rope, KV type. Payloads of one store are
  // interchangeable; other fingerprints are other stores. A folder that cannot be written gives a read-only
  // store and one warning; kInvalidArgument where it cannot even be read or is no folder.
  static Result<std::unique_ptr<CacheStore>> Open(const std::string& directory,
                                                  const std::string& fingerprint,
                                                  const CacheStoreOptions& options);
  // Writes what is queued.
  virtual ~CacheStore() = default;

  // Queues a write and returns at once. False: dropped. An entry that is stored or queued already is not
  // written twice, and true. Requires: what CacheEntry and CachePlace state.
  virtual bool Put(CacheEntry entry) = 0;

  // What could be read now, by the index in memory: no file is touched. An entry in the queue is not there
  // yet.
  virtual std::optional<CacheEntryInfo> Find(const CacheEntryId& id) const = 0;

  // Reads the payload into `out`, on the calling thread; several threads may. Also marks the entry as used.
  // kNotFound: absent, evicted meanwhile, or of another place or size than asked for. kDataLoss: damaged; it
  // is forgotten. `out` is then unspecified. Requires: out.size() = payload_bytes of Find.
  virtual Status Read(const CacheEntryId& id, const CachePlace& place, std::span<std::byte> out) = 0;

  // Marks as used now what memory served instead. The last entry of a branch is enough: an entry counts as
  // used when anything after it is. Returns at once.
  virtual void Touch(const CacheEntryId& id) = 0;

  // Waits until everything put so far is in the files (not until the disk has them: a process that is killed
  // loses nothing that was flushed, a machine that loses power may, and its reader notices).
  virtual void Flush() = 0;

  // Looks for other processes' entries now instead of at the next interval.
  virtual void Rescan() = 0;

  virtual CacheStoreStats stats() const = 0;

  // Of this store, below the directory. It is there once something was written.
  virtual const std::string& folder() const = 0;
};

}  // namespace mimo
