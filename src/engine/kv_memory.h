#pragma once
// What the prefix cache asks of whoever owns the memory of keys and values.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "model/kv_storage.h"

namespace mimo {

// The functions of KvStorage, by the same names. Not thread-safe: only the engine thread calls it.
class KvMemory {
 public:
  virtual ~KvMemory() = default;

  // As the free function.
  virtual uint32_t WindowReplayTokens() const = 0;
  virtual uint32_t FirstPositionOfWindow(uint32_t end) const = 0;
  virtual uint64_t BlockBytes() const = 0;
  virtual uint64_t WindowBytes(uint32_t end) const = 0;

  virtual void CopyBlock(KvBlockId from, KvBlockId to) = 0;
  virtual void ExportBlock(KvBlockId block, std::span<std::byte> out) const = 0;
  virtual Status ImportBlock(std::span<const std::byte> bytes, KvBlockId block) = 0;
  virtual void ExportWindow(KvRingId ring, uint32_t end, std::span<std::byte> out) const = 0;
  virtual Status ImportWindow(std::span<const std::byte> bytes, uint32_t end, KvRingId ring) = 0;
  virtual void GiveBack(std::span<const KvBlockId> blocks) = 0;
};

}  // namespace mimo
