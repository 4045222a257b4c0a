// Copies of blocks and windows for a prefix cache: between blocks, and to and from plain bytes.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "model/kv_access.h"

namespace mimo {

// One walk over the layers serves every direction: it hands out runs of memory in the order of the bytes.
class KvTransfer {
 public:
  explicit KvTransfer(const KvStorage& storage) : storage_(storage) {}

  // Calls visit(memory, bytes) for each run that block `block` consists of.
  template <typename F>
  void ForEachRunOfBlock(KvBlockId block, const F& visit) const {
    for (uint32_t i = 0; i < storage_.num_transferred_layers_; ++i) {
      const KvStorage::Layer& layer = storage_.layers_[i];
      if (!layer.is_paged) continue;
      for (const auto& [offset, bytes] : PartsOf(layer)) {
        visit(storage_.memory_ + offset + block.value * bytes, bytes);
      }
    }
  }

  // The same for the keys at positions [begin, end) of a ring. A head's keys are two runs where they wrap.
  template <typename F>
  void ForEachRunOfWindow(KvRingId ring, uint32_t begin, uint32_t end, const F& visit) const {
    for (uint32_t i = 0; i < storage_.num_transferred_layers_; ++i) {
      const KvStorage::Layer& layer = storage_.layers_[i];
      if (layer.is_paged) continue;
      for (const auto& [offset, bytes] : PartsOf(layer)) {
        const size_t row_bytes = RowBytesOf(layer, bytes);
        for (uint32_t head = 0; head < layer.geometry.num_key_value_heads; ++head) {
          std::byte* const rows =
              storage_.memory_ + offset + ring.value * bytes + head * layer.piece_tokens * row_bytes;
          for (uint32_t at = begin; at < end;) {
            const uint32_t slot = at % layer.piece_tokens;
            const uint32_t count = std::min(end - at, layer.piece_tokens - slot);
            visit(rows + slot * row_bytes, count * row_bytes);
            at += count;
          }
        }
      }
    }
  }

  // Bytes of one token in the layers of a kind.
  uint64_t BytesPerToken(bool is_paged) const {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < storage_.num_transferred_layers_; ++i) {
      const KvStorage::Layer& layer = storage_.layers_[i];
      if (layer.is_paged != is_paged) continue;
      for (const auto& part : PartsOf(layer)) bytes += part.bytes / layer.piece_tokens;
    }
    return bytes;
  }

 private:
  // Where the keys or the values of a layer begin, and the bytes of one piece of them.
  struct Part {
    size_t offset;
    size_t bytes;
  };

  std::array<Part, 2> PartsOf(const KvStorage::Layer& layer) const {
    const size_t rows = size_t{layer.geometry.num_key_value_heads} * layer.piece_tokens;
    const KvType type = storage_.options_.type;
    return {Part{layer.k_offset, rows * KvRowBytes(type, layer.geometry.head_dim)},
            Part{layer.v_offset, rows * KvRowBytes(type, layer.geometry.v_head_dim)}};
  }

  static size_t RowBytesOf(const KvStorage::Layer& layer, size_t piece_bytes) {
    return piece_bytes / layer.piece_tokens / layer.geometry.num_key_value_heads;
  }

  const KvStorage& storage_;
};

uint32_t WindowReplayTokens(const ModelConfig& config, bool serves_mtp) {
  auto num_sliding =
      static_cast<uint32_t>(std::count(config.is_sliding.begin(), config.is_sliding.end(), true));
  // Heads stand side by side above the trunk: one layer more, however many they are.
  if (serves_mtp && config.mtp_is_sliding && config.num_nextn_predict_layers > 0) ++num_sliding;
  return num_sliding == 0 ? 0 : num_sliding * (config.sliding_attention.window - 1);
}

uint32_t KvStorage::WindowKeys(uint32_t end) const { return std::min(end, window_); }

uint32_t KvStorage::FirstPositionOfWindow(uint32_t end) const {
  if (window_ == 0) return 0;
  // The next token sees window - 1 keys before it.
  return end <= window_ ? 0 : end - 1;
}

uint64_t KvStorage::BlockBytes() const { return KvTransfer(*this).BytesPerToken(true) * kKvBlockTokens; }

uint64_t KvStorage::WindowBytes(uint32_t end) const {
  return KvTransfer(*this).BytesPerToken(false) * WindowKeys(end);
}

void KvStorage::CopyBlock(KvBlockId from, KvBlockId to) {
  const KvTransfer transfer(*this);
  std::vector<const std::byte*> sources;
  transfer.ForEachRunOfBlock(from, [&](std::byte* memory, size_t) { sources.push_back(memory); });
  const std::byte* const* source = sources.data();
  transfer.ForEachRunOfBlock(to,
                             [&](std::byte* memory, size_t bytes) { std::memcpy(memory, *source++, bytes); });
}

void KvStorage::ExportBlock(KvBlockId block, std::span<std::byte> out) const {
  MIMO_CHECK(out.size() == BlockBytes());
  std::byte* at = out.data();
  KvTransfer(*this).ForEachRunOfBlock(block, [&](const std::byte* memory, size_t bytes) {
    std::memcpy(at, memory, bytes);
    at += bytes;
  });
}

Status KvStorage::ImportBlock(std::span<const std::byte> bytes, KvBlockId block) {
  if (bytes.size() != BlockBytes()) {
    return DataLoss("a KV block of {} bytes, {} expected", bytes.size(), BlockBytes());
  }
  const std::byte* at = bytes.data();
  KvTransfer(*this).ForEachRunOfBlock(block, [&](std::byte* memory, size_t run_bytes) {
    std::memcpy(memory, at, run_bytes);
    at += run_bytes;
  });
  return {};
}

void KvStorage::ExportWindow(KvRingId ring, uint32_t end, std::span<std::byte> out) const {
  MIMO_CHECK(out.size() == WindowBytes(end));
  std::byte* at = out.data();
  KvTransfer(*this).ForEachRunOfWindow(ring, end - WindowKeys(end), end,
                                       [&](const std::byte* memory, size_t bytes) {
                                         std::memcpy(at, memory, bytes);
                                         at += bytes;
                                       });
}

Status KvStorage::ImportWindow(std::span<const std::byte> bytes, uint32_t end, KvRingId ring) {
  if (bytes.size() != WindowBytes(end)) {
    return DataLoss("a window of {} bytes, {} expected", bytes.size(), WindowBytes(end));
  }
  const std::byte* at = bytes.data();
  KvTransfer(*this).ForEachRunOfWindow(ring, end - WindowKeys(end), end,
                                       [&](std::byte* memory, size_t run_bytes) {
                                         std::memcpy(memory, at, run_bytes);
                                         at += run_bytes;
                                       });
  return {};
}

void KvStorage::GiveBack(std::span<const KvBlockId> blocks) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (const KvBlockId block : blocks) {
    KvTransfer(*this).ForEachRunOfBlock(block, [&](std::byte* memory, size_t bytes) {
      const auto begin = (reinterpret_cast<uintptr_t>(memory) + page - 1) / page * page;
      const auto end = (reinterpret_cast<uintptr_t>(memory) + bytes) / page * page;
      if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    });
  }
}

}  // namespace mimo
