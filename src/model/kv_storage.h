#pragma once
// Memory for keys and values. The model owns the storage; the engine decides which sequence holds which
// piece.
//
//   full-attention layers     pages of kKvBlockTokens tokens from one pool; a sequence has a block table
//   sliding-window layers     one ring per sequence and layer that holds the last `window` tokens (and a
//   margin)
//
// A block id or ring id covers all layers of its kind, MTP layers included.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"
#include "weights/model_config.h"

namespace mimo {

constexpr uint32_t kKvBlockTokens = 64;
// Positions past the window that a ring keeps, so that up to this many drafted tokens can be rolled back.
constexpr uint32_t kRingMarginTokens = 8;

using KvType = KvElement;

// How many blocks `num_tokens` tokens need.
constexpr uint32_t KvBlocksFor(uint32_t num_tokens) {
  return (num_tokens + kKvBlockTokens - 1) / kKvBlockTokens;
}

struct KvBlockId {
  uint32_t value;
};
struct KvRingId {
  uint32_t value;
};

struct KvStorageOptions {
  KvType type = KvType::kBf16;
  uint32_t num_blocks = 0;
  uint32_t num_rings = 1;
};

// kInvalidArgument where heads of the model are not whole blocks of the type.
Status CheckKvType(const ModelConfig& config, KvType type);

class KvStorage {
 public:
  // Reserves address space; pages become resident when they are first written. kResourceExhausted when the
  // reservation fails; kInvalidArgument as CheckKvType.
  static Result<KvStorage> Create(const ModelConfig& config, const KvStorageOptions& options);
  ~KvStorage();
  KvStorage(KvStorage&&) noexcept;
  KvStorage& operator=(KvStorage&&) noexcept;

  const KvStorageOptions& options() const { return options_; }
  // Bytes that one token adds to the paged layers, and bytes of one sequence's rings. Requires: CheckKvType.
  static uint64_t BytesPerToken(const ModelConfig& config, KvType type);
  static uint64_t BytesPerRing(const ModelConfig& config, KvType type);

 private:
  friend class KvAccess;  // model/ only: no pointer to KV memory leaves the module
  KvStorage() = default;
  struct Layer;
  KvStorageOptions options_;
  std::vector<Layer> layers_;  // trunk layers, then MTP layers
  std::byte* memory_ = nullptr;
  size_t memory_bytes_ = 0;
};

}  // namespace mimo
