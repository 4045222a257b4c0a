#include "model/kv_storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "model/kv_access.h"

namespace mimo {
namespace {

constexpr size_t kLayerAlignment = 4096;

// The geometry of every layer that keeps keys: the trunk's, then those of the MTP heads.
std::vector<AttentionGeometry> LayerGeometries(const ModelConfig& config) {
  std::vector<AttentionGeometry> geometries;
  for (uint32_t i = 0; i < config.num_hidden_layers; ++i) geometries.push_back(config.Attention(i));
  for (uint32_t i = 0; i < config.num_nextn_predict_layers; ++i) geometries.push_back(config.MtpAttention());
  return geometries;
}

uint64_t BytesPerTokenOfLayer(const AttentionGeometry& geometry, KvType type) {
  return geometry.num_key_value_heads *
         uint64_t{KvRowBytes(type, geometry.head_dim) + KvRowBytes(type, geometry.v_head_dim)};
}

uint32_t RingTokens(const AttentionGeometry& geometry) { return geometry.window + kRingMarginTokens; }

size_t AlignUp(size_t bytes) { return (bytes + kLayerAlignment - 1) / kLayerAlignment * kLayerAlignment; }

}  // namespace

Status CheckKvType(const ModelConfig& config, KvType type) {
  const BlockGeometry& block = GeometryOf(WeightTypeOf(type));
  for (const AttentionGeometry& geometry : LayerGeometries(config)) {
    if (geometry.head_dim % block.columns == 0 && geometry.v_head_dim % block.columns == 0) continue;
    return InvalidArgument(
        "keys of {} and values of {} elements are not whole blocks of {} (--kv-type {}): use bf16",
        geometry.head_dim, geometry.v_head_dim, block.columns, block.name);
  }
  return {};
}

uint64_t KvStorage::BytesPerToken(const ModelConfig& config, KvType type) {
  uint64_t bytes = 0;
  for (const AttentionGeometry& geometry : LayerGeometries(config)) {
    if (geometry.window == 0) bytes += BytesPerTokenOfLayer(geometry, type);
  }
  return bytes;
}

uint64_t KvStorage::BytesPerRing(const ModelConfig& config, KvType type) {
  uint64_t bytes = 0;
  for (const AttentionGeometry& geometry : LayerGeometries(config)) {
    if (geometry.window != 0) bytes += RingTokens(geometry) * BytesPerTokenOfLayer(geometry, type);
  }
  return bytes;
}

Result<KvStorage> KvStorage::Create(const ModelConfig& config, const KvStorageOptions& options) {
  MIMO_RETURN_IF_ERROR(CheckKvType(config, options.type));
  KvStorage storage;
  storage.options_ = options;
  storage.num_transferred_layers_ =
      config.num_hidden_layers + (options.serves_mtp ? config.num_nextn_predict_layers : 0);
  size_t total = 0;
  for (const AttentionGeometry& geometry : LayerGeometries(config)) {
    Layer layer;
    layer.geometry = geometry;
    layer.is_paged = geometry.window == 0;
    storage.window_ = std::max(storage.window_, geometry.window);
    layer.piece_tokens = layer.is_paged ? kKvBlockTokens : RingTokens(geometry);
    const size_t rows = size_t{layer.is_paged ? options.num_blocks : options.num_rings} *
                        geometry.num_key_value_heads * layer.piece_tokens;
    layer.k_offset = total;
    total = AlignUp(total + rows * KvRowBytes(options.type, geometry.head_dim));
    layer.v_offset = total;
    total = AlignUp(total + rows * KvRowBytes(options.type, geometry.v_head_dim));
    storage.layers_.push_back(layer);
  }
  if (total == 0) return storage;
  void* const memory =
      mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return ResourceExhausted("cannot reserve {} bytes for the KV cache: use a smaller --context", total);
  }
  storage.memory_ = static_cast<std::byte*>(memory);
  storage.memory_bytes_ = total;
  return storage;
}

KvStorage::~KvStorage() {
  if (memory_ != nullptr) munmap(memory_, memory_bytes_);
}

KvStorage::KvStorage(KvStorage&& other) noexcept
    : options_(other.options_),
      window_(other.window_),
      num_transferred_layers_(other.num_transferred_layers_),
      layers_(std::move(other.layers_)),
      memory_(std::exchange(other.memory_, nullptr)),
      memory_bytes_(std::exchange(other.memory_bytes_, 0)) {}

KvStorage& KvStorage::operator=(KvStorage&& other) noexcept {
  std::swap(options_, other.options_);
  std::swap(window_, other.window_);
  std::swap(num_transferred_layers_, other.num_transferred_layers_);
  std::swap(layers_, other.layers_);
  std::swap(memory_, other.memory_);
  std::swap(memory_bytes_, other.memory_bytes_);
  return *this;
}

void KvAccess::AppendPagedSpans(std::span<const KvBlockId> blocks, uint32_t head, uint32_t begin,
                                uint32_t end, std::vector<KeySpan>* spans) const {
  while (begin < end) {
    const uint32_t block = blocks[begin / kKvBlockTokens].value;
    const uint32_t slot = begin % kKvBlockTokens;
    const uint32_t count = std::min(end - begin, kKvBlockTokens - slot);
    spans->push_back({K(block, head, slot), V(block, head, slot), count});
    begin += count;
  }
}

void KvAccess::AppendRingSpans(KvRingId ring, uint32_t head, uint32_t begin, uint32_t end,
                               std::vector<KeySpan>* spans) const {
  while (begin < end) {
    const uint32_t slot = RingSlot(begin);
    const uint32_t count = std::min(end - begin, layer_.piece_tokens - slot);
    spans->push_back({K(ring.value, head, slot), V(ring.value, head, slot), count});
    begin += count;
  }
}

}  // namespace mimo
