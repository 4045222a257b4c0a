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
  bool serves_mtp = false;  // what is exported and imported holds the layers of MTP heads as well
};

// kInvalidArgument where heads of the model are not whole blocks of the type.
Status CheckKvType(const ModelConfig& config, KvType type);

// How many tokens before a position must be computed again, from an empty window, until the window there is
// exact: the keys of a sliding layer at a position depend on window - 1 positions before it in the layer
// below. 0 for models without sliding layers, which can go on anywhere.
uint32_t WindowReplayTokens(const ModelConfig& config, bool serves_mtp);

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

  // ---- What a prefix cache moves: plain bytes, equal in every storage of this model and type ----
  //
  // A block: K then V of each paged layer, each [kv_heads, kKvBlockTokens, row].
  // A window that ends at a position: its last keys, at most `window` of them; K then V of each sliding
  // layer, each [kv_heads, keys, row]. One key more than the next token sees, so that it also serves the
  // position before: a prompt that was seen before computes its last token again, for the logits.

  // Number of keys in a window that ends at `end`.
  uint32_t WindowKeys(uint32_t end) const;
  // The positions that a window which ends at `end` can be continued from: [this, end].
  uint32_t FirstPositionOfWindow(uint32_t end) const;
  uint64_t BlockBytes() const;
  uint64_t WindowBytes(uint32_t end) const;

  void CopyBlock(KvBlockId from, KvBlockId to);
  // Requires: out.size() == BlockBytes().
  void ExportBlock(KvBlockId block, std::span<std::byte> out) const;
  // kDataLoss when `bytes` are not BlockBytes().
  Status ImportBlock(std::span<const std::byte> bytes, KvBlockId block);
  // Requires: the ring's last written position is end - 1; out.size() == WindowBytes(end).
  void ExportWindow(KvRingId ring, uint32_t end, std::span<std::byte> out) const;
  // kDataLoss when `bytes` are not WindowBytes(end).
  Status ImportWindow(std::span<const std::byte> bytes, uint32_t end, KvRingId ring);

  // Gives the memory of blocks that nobody reads any more back to the system, whole pages of it.
  void GiveBack(std::span<const KvBlockId> blocks);

 private:
  friend class KvAccess;  // model/ only: no pointer to KV memory leaves the module
  friend class KvTransfer;
  KvStorage() = default;
  struct Layer;
  KvStorageOptions options_;
  uint32_t window_ = 0;                  // of sliding layers; 0 = there are none
  uint32_t num_transferred_layers_ = 0;  // the first of layers_: those that a prefix cache moves
  std::vector<Layer> layers_;            // trunk layers, then MTP layers
  std::byte* memory_ = nullptr;
  size_t memory_bytes_ = 0;
};

}  // namespace mimo
