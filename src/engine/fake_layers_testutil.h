#pragma once
// Layers of a model that does nothing but mix numbers, for tests of who holds which keys. What comes out at a
// position depends on every token before it, through keys in blocks and through windows in rings, as in a
// real model: a wrong block, a stale window or a replay that is too short changes it.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <span>
#include <vector>

#include "base/mix_bits.h"
#include "engine/kv_memory.h"
#include "model/model.h"

namespace mimo {

class FakeLayers : public KvMemory {
 public:
  static constexpr uint32_t kWindow = 6;
  static constexpr uint32_t kNumFull = 2;
  static constexpr uint32_t kNumSliding = 3;
  static constexpr uint32_t kReplay =
      kNumSliding * (kWindow - 1);  // tokens until every window is right again
  static constexpr std::array<bool, kNumFull + kNumSliding> kIsSliding = {false, true, true, false, true};

  FakeLayers(uint32_t num_blocks, uint32_t num_rings)
      : slots_(size_t{num_blocks} * kKvBlockTokens), rings_(num_rings) {}

  // Computes a chunk; what the last layer gives for its last token.
  uint64_t Run(const SequenceChunk& chunk) {
    uint64_t x = 0;
    for (size_t i = 0; i < chunk.tokens.size(); ++i) {
      x = RunToken(chunk, chunk.tokens[i], chunk.first_position + static_cast<uint32_t>(i));
    }
    return x;
  }

  // The same by the definition, from the beginning of a text to its last token.
  static uint64_t RunCold(std::span<const TokenId> text) {
    uint64_t sums[kNumFull] = {};
    std::vector<std::array<uint64_t, kNumSliding>> keys(text.size());
    uint64_t x = 0;
    for (uint32_t position = 0; position < text.size(); ++position) {
      x = Embed(text[position], position);
      uint32_t full = 0;
      uint32_t sliding = 0;
      for (const bool is_sliding : kIsSliding) {
        if (!is_sliding) {
          sums[full] += Seen(x, position);
          x = MixBits(x ^ sums[full++]);
          continue;
        }
        keys[position][sliding] = x;
        uint64_t sum = 0;
        for (uint32_t j = FirstOfWindow(position); j <= position; ++j) sum += Seen(keys[j][sliding], j);
        x = MixBits(x ^ sum);
        ++sliding;
      }
    }
    return x;
  }

  TokenId TokenAt(std::span<const KvBlockId> blocks, uint32_t position) const {
    return slots_.at(SlotIndex(blocks, position)).token;
  }

  uint32_t WindowReplayTokens() const override { return kNumSliding * (kWindow - 1); }
  uint32_t FirstPositionOfWindow(uint32_t end) const override { return end <= kWindow ? 0 : end - 1; }
  uint64_t BlockBytes() const override { return kKvBlockTokens * sizeof(Slot); }
  uint64_t WindowBytes(uint32_t end) const override {
    return std::min(end, kWindow) * sizeof(std::array<uint64_t, kNumSliding>);
  }
  void CopyBlock(KvBlockId from, KvBlockId to) override {
    std::copy_n(Block(from), kKvBlockTokens, Block(to));
  }
  void ExportBlock(KvBlockId block, std::span<std::byte> out) const override {
    ASSERT_EQ(out.size(), BlockBytes());
    std::memcpy(out.data(), &slots_.at(size_t{block.value} * kKvBlockTokens), out.size());
  }
  Status ImportBlock(std::span<const std::byte> bytes, KvBlockId block) override {
    if (bytes.size() != BlockBytes()) return DataLoss("a block of another size");
    std::memcpy(Block(block), bytes.data(), bytes.size());
    return {};
  }
  void ExportWindow(KvRingId ring, uint32_t end, std::span<std::byte> out) const override {
    ASSERT_EQ(out.size(), WindowBytes(end));
    std::byte* at = out.data();
    for (uint32_t position = end - std::min(end, kWindow); position < end; ++position) {
      const auto& keys = rings_.at(ring.value)[position % kRingTokens];
      std::memcpy(at, keys.data(), sizeof(keys));
      at += sizeof(keys);
    }
  }
  Status ImportWindow(std::span<const std::byte> bytes, uint32_t end, KvRingId ring) override {
    if (bytes.size() != WindowBytes(end)) return DataLoss("a window of another size");
    const std::byte* at = bytes.data();
    for (uint32_t position = end - std::min(end, kWindow); position < end; ++position) {
      auto& keys = rings_.at(ring.value)[position % kRingTokens];
      std::memcpy(keys.data(), at, sizeof(keys));
      at += sizeof(keys);
    }
    return {};
  }

  // As the system's pages, which come back as zeros.
  void GiveBack(std::span<const KvBlockId> blocks) override {
    for (const KvBlockId block : blocks) std::fill_n(Block(block), kKvBlockTokens, Slot());
  }

 private:
  static constexpr uint32_t kRingTokens = kWindow + 2;
  struct Slot {
    TokenId token = 0;
    std::array<uint64_t, kNumFull> keys = {};
  };
  using Ring = std::array<std::array<uint64_t, kNumSliding>, kRingTokens>;

  static uint64_t Embed(TokenId token, uint32_t position) { return MixBits(token * 1000003ULL + position); }
  static uint64_t Seen(uint64_t key, uint32_t position) { return MixBits(key + position); }
  static uint32_t FirstOfWindow(uint32_t position) {
    return position + 1 > kWindow ? position + 1 - kWindow : 0;
  }

  static size_t SlotIndex(std::span<const KvBlockId> blocks, uint32_t position) {
    return size_t{blocks[position / kKvBlockTokens].value} * kKvBlockTokens + position % kKvBlockTokens;
  }
  Slot* Block(KvBlockId block) { return &slots_.at(size_t{block.value} * kKvBlockTokens); }

  uint64_t RunToken(const SequenceChunk& chunk, TokenId token, uint32_t position) {
    Slot& slot = slots_.at(SlotIndex(chunk.blocks, position));
    const bool is_cached = position < chunk.cached_end;
    if (is_cached) {
      EXPECT_EQ(slot.token, token) << "the block at position " << position << " holds another text";
    } else {
      slot.token = token;
    }
    uint64_t x = Embed(token, position);
    uint32_t full = 0;
    uint32_t sliding = 0;
    for (const bool is_sliding : kIsSliding) {
      uint64_t sum = 0;
      if (is_sliding) {
        Ring& ring = rings_.at(chunk.ring.value);
        ring[position % kRingTokens][sliding] = x;
        for (uint32_t j = std::max(chunk.window_begin, FirstOfWindow(position)); j <= position; ++j) {
          sum += Seen(ring[j % kRingTokens][sliding], j);
        }
        ++sliding;
      } else {
        if (!is_cached) slot.keys[full] = x;
        for (uint32_t j = 0; j <= position; ++j)
          sum += Seen(slots_[SlotIndex(chunk.blocks, j)].keys[full], j);
        ++full;
      }
      x = MixBits(x ^ sum);
    }
    return x;
  }

  std::vector<Slot> slots_;
  std::vector<Ring> rings_;
};

// Texts for them.
using Tokens = std::vector<TokenId>;

// first, first + 1, ...
inline Tokens Text(TokenId first, uint32_t count) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

inline Tokens operator+(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace mimo
