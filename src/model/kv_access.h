#pragma once
// Reading and writing one layer of a KvStorage. For model/ alone: no pointer to KV memory leaves the module.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "model/kv_storage.h"

namespace mimo {

// One layer's keys and values inside a KvStorage: K [pieces, kv_heads, piece_tokens, head_dim] and V
// likewise, where a piece is a block (paged layers) or a ring. A head's keys stand together, so that
// attention streams them.
struct KvStorage::Layer {
  AttentionGeometry geometry;
  bool is_paged = true;
  uint32_t piece_tokens = 0;
  size_t k_offset = 0;  // bytes from the start of the storage
  size_t v_offset = 0;
};

class KvAccess {
 public:
  // Non-owning. `layer_index` counts trunk layers, then MTP layers.
  KvAccess(KvStorage& storage, uint32_t layer_index)
      : storage_(storage),
        layer_(storage.layers_[layer_index]),
        k_bytes_(KvRowBytes(storage.options_.type, layer_.geometry.head_dim)),
        v_bytes_(KvRowBytes(storage.options_.type, layer_.geometry.v_head_dim)) {}

  // Of one token's key and value of one head.
  size_t k_bytes() const { return k_bytes_; }
  size_t v_bytes() const { return v_bytes_; }

  bool is_paged() const { return layer_.is_paged; }
  uint32_t window() const { return layer_.geometry.window; }

  // Where token `slot` of `piece` keeps its key and value of `head`.
  std::byte* K(uint32_t piece, uint32_t head, uint32_t slot) const {
    return Address(layer_.k_offset, piece, head, slot, k_bytes_);
  }
  std::byte* V(uint32_t piece, uint32_t head, uint32_t slot) const {
    return Address(layer_.v_offset, piece, head, slot, v_bytes_);
  }

  uint32_t RingSlot(uint32_t position) const { return position % layer_.piece_tokens; }
  uint32_t ring_tokens() const { return layer_.piece_tokens; }

  // Appends the keys at positions [begin, end) of a paged sequence.
  void AppendPagedSpans(std::span<const KvBlockId> blocks, uint32_t head, uint32_t begin, uint32_t end,
                        std::vector<KeySpan>* spans) const;
  // The same for a ring, which must still hold them: begin + ring_tokens() >= the next position to be
  // written.
  void AppendRingSpans(KvRingId ring, uint32_t head, uint32_t begin, uint32_t end,
                       std::vector<KeySpan>* spans) const;

 private:
  std::byte* Address(size_t offset, uint32_t piece, uint32_t head, uint32_t slot, size_t row_bytes) const {
    const size_t row =
        (size_t{piece} * layer_.geometry.num_key_value_heads + head) * layer_.piece_tokens + slot;
    return storage_.memory_ + offset + row * row_bytes;
  }

  KvStorage& storage_;
  const KvStorage::Layer& layer_;
  size_t k_bytes_;
  size_t v_bytes_;
};

}  // namespace mimo
