#pragma once
// The keys and values of one piece, tile by tile, as the products of attention read them. Include after
// simd_math.h.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "base/number_formats.h"
#include "kernels/attention.h"
#include "kernels/block_layouts.h"

namespace mimo {
namespace {

inline Float16 BlockScale(const std::byte* scale) {
  uint16_t bits = 0;
  std::memcpy(&bits, scale, sizeof(bits));
  return Simd::Broadcast(FromFp16Bits(bits));
}

// Write the 32 columns of the block at `at`. scale * code in float32 is exact: 11 bits times 8.
template <typename Block>
void DecodeBlock(const std::byte* at, float* out);

template <>
inline void DecodeBlock<BlockQ80>(const std::byte* at, float* out) {
  const std::byte* const codes = at + offsetof(BlockQ80, codes);
  const Float16 scale = BlockScale(at + offsetof(BlockQ80, scale));
  Simd::Store(out, Simd::Multiply(scale, FromInt8(codes)));
  Simd::Store(out + kLanes, Simd::Multiply(scale, FromInt8(codes + kLanes)));
}

template <>
inline void DecodeBlock<BlockQ40>(const std::byte* at, float* out) {
  const TwoFloat16 codes = FromNibbles(at + offsetof(BlockQ40, codes));
  const Float16 scale = BlockScale(at + offsetof(BlockQ40, scale));
  Simd::Store(out, Simd::Multiply(scale, codes.first));
  Simd::Store(out + kLanes, Simd::Multiply(scale, codes.second));
}

// Writes PaddedDim(dim) floats.
template <typename Stored>
void DecodeRow(const std::byte* row, uint32_t dim, float* out) {
  if constexpr (std::is_same_v<Stored, BlockQ80> || std::is_same_v<Stored, BlockQ40>) {
    for (uint32_t d = 0; d < dim; d += 32, row += sizeof(Stored)) DecodeBlock<Stored>(row, out + d);
  } else {
    const auto* const elements = reinterpret_cast<const Stored*>(row);
    for (uint32_t d = 0; d < dim; ++d) out[d] = ToFloat(elements[d]);
    std::fill(out + dim, out + PaddedDim(dim), 0.0F);
  }
}

// Pointers by position % kAttentionTile.
template <typename Element>
struct KeyTile {
  const Element* k[kAttentionTile];
  const Element* v[kAttentionTile];
  uint32_t base = 0;   // a multiple of kAttentionTile
  uint32_t begin = 0;  // positions that are there: [begin, end)
  uint32_t end = 0;
};

// Rows of a tile that are needed soon, and the bytes [begin, end) of each to ask for. What a core asks for
// ahead arrives while it multiplies: at one token, attention over keys that are in no cache would otherwise
// wait for every one of them.
template <typename Element>
struct RowsAhead {
  const Element* const* rows = nullptr;  // by index in the tile
  uint32_t first_row = 0;                // that are there: [first_row, end_row)
  uint32_t end_row = 0;
  uint32_t begin = 0;
  uint32_t end = 0;

  // Inline: GCC drops calls of a function that does nothing but this.
  [[gnu::always_inline]] void Fetch(uint32_t row) const {
    constexpr uint32_t kLineBytes = 64;
    constexpr int kToSecondLevelCache = 2;
    if (row < first_row || row >= end_row) return;
    const auto* const bytes = reinterpret_cast<const std::byte*>(rows[row]);
    for (uint32_t at = begin; at < end; at += kLineBytes) {
      __builtin_prefetch(bytes + at, 0, kToSecondLevelCache);
    }
  }

  // Part `index` of `count` of each row.
  RowsAhead Part(uint32_t index, uint32_t count) const {
    RowsAhead part = *this;
    part.begin = begin + (end - begin) * index / count;
    part.end = begin + (end - begin) * (index + 1) / count;
    return part;
  }
};

// Whether the products read keys and values where they are stored, converting them as they load them, or
// decoded to float32.
enum class RowSource : uint8_t { kInPlace, kDecoded };

template <typename Stored, RowSource kSource>
using TileElement = std::conditional_t<kSource == RowSource::kInPlace, Stored, float>;

// Walks the spans, a tile at a time.
template <typename Stored, RowSource kSource>
class TileReader {
 public:
  using Element = TileElement<Stored, kSource>;
  // Whether a tile stays as it is while the next one is read.
  static constexpr bool kReadsAhead = kSource == RowSource::kInPlace;

  // `decoded`: room for the keys and values of a tile in float32.
  TileReader(const AttentionArgs& args, float* decoded)
      : args_(args),
        decoded_k_(decoded),
        decoded_v_(decoded + size_t{kAttentionTile} * PaddedDim(args.head_dim)),
        k_bytes_(KvRowBytes(args.element, args.head_dim)),
        v_bytes_(KvRowBytes(args.element, args.v_head_dim)),
        position_(args.first_key) {}

  // False at the end.
  bool Next(KeyTile<Element>* tile) {
    tile->base = position_ / kAttentionTile * kAttentionTile;
    tile->begin = position_;
    while (span_ < args_.spans.size() && position_ < tile->base + kAttentionTile) {
      const KeySpan& span = args_.spans[span_];
      for (; at_ < span.count && position_ < tile->base + kAttentionTile; ++at_, ++position_) {
        const uint32_t i = position_ - tile->base;
        tile->k[i] =
            Row(span.k, k_bytes_, args_.head_dim, decoded_k_ + size_t{i} * PaddedDim(args_.head_dim));
        tile->v[i] =
            Row(span.v, v_bytes_, args_.v_head_dim, decoded_v_ + size_t{i} * PaddedDim(args_.v_head_dim));
      }
      if (at_ == span.count) {
        ++span_;
        at_ = 0;
      }
    }
    tile->end = position_;
    return tile->end > tile->begin;
  }

 private:
  const Element* Row(const void* rows, size_t row_bytes, uint32_t dim, float* decoded) const {
    const std::byte* const row = static_cast<const std::byte*>(rows) + size_t{at_} * row_bytes;
    if constexpr (kSource == RowSource::kInPlace) {
      return reinterpret_cast<const Element*>(row);
    } else {
      DecodeRow<Stored>(row, dim, decoded);
      return decoded;
    }
  }

  const AttentionArgs& args_;
  float* const decoded_k_;
  float* const decoded_v_;
  const size_t k_bytes_;
  const size_t v_bytes_;
  size_t span_ = 0;
  uint32_t at_ = 0;  // in the span
  uint32_t position_;
};

}  // namespace
}  // namespace mimo
