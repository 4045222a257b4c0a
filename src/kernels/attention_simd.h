#pragma once
// Attention of one token over one KV head's keys, for all query heads that share them. Include after
// simd_math.h.
//
// Online softmax over tiles of kAttentionTile keys (Milakov and Gimelshein, arXiv 1805.02867): every key and
// value is read once for all heads of the group, and scratch memory does not grow with the context.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/number_formats.h"
#include "kernels/kernels.h"

namespace mimo {
namespace {

inline Float16 LoadElements(const float* p) { return Simd::Load(p); }
inline Float16 LoadElements(const Bf16* p) { return Simd::FromBf16(p); }

template <typename Element>
Float16 LoadElementsPartial(const Element* p, uint32_t count) {
  Element padded[kLanes] = {};
  std::memcpy(padded, p, count * sizeof(Element));
  return LoadElements(padded);
}

template <typename Element>
struct KeyTile {
  const Element* k[kAttentionTile];
  const Element* v[kAttentionTile];
  uint32_t count = 0;
};

// Walks the spans key by key.
template <typename Element>
class KeyCursor {
 public:
  explicit KeyCursor(const AttentionArgs& args) : args_(args) {}

  // The next keys, up to a whole tile; empty at the end.
  void Next(KeyTile<Element>* tile) {
    tile->count = 0;
    while (tile->count < kAttentionTile && span_ < args_.spans.size()) {
      const KeySpan& span = args_.spans[span_];
      for (; at_ < span.count && tile->count < kAttentionTile; ++at_, ++tile->count) {
        tile->k[tile->count] = static_cast<const Element*>(span.k) + size_t{at_} * args_.head_dim;
        tile->v[tile->count] = static_cast<const Element*>(span.v) + size_t{at_} * args_.v_head_dim;
      }
      if (at_ == span.count) {
        ++span_;
        at_ = 0;
      }
    }
  }

 private:
  const AttentionArgs& args_;
  size_t span_ = 0;
  uint32_t at_ = 0;
};

constexpr uint32_t kHeadsAtOnce = 4;

// scores[h][j] = scale * (q_h . k_j) for kHeads heads from `head` on.
template <typename Element, uint32_t kHeads>
void ScoreHeads(const AttentionArgs& args, const KeyTile<Element>& tile, uint32_t head) {
  const uint32_t whole = args.head_dim / kLanes * kLanes;
  const float* const q = args.q + size_t{head} * args.head_dim;
  for (uint32_t j = 0; j < tile.count; ++j) {
    Float16 sums[kHeads];
    std::fill_n(sums, kHeads, Simd::Zero());
    for (uint32_t d = 0; d < whole; d += kLanes) {
      const Float16 k = LoadElements(tile.k[j] + d);
      for (uint32_t h = 0; h < kHeads; ++h) {
        sums[h] = Simd::MultiplyAdd(k, Simd::Load(q + size_t{h} * args.head_dim + d), sums[h]);
      }
    }
    if (whole < args.head_dim) {
      const uint32_t rest = args.head_dim - whole;
      const Float16 k = LoadElementsPartial(tile.k[j] + whole, rest);
      for (uint32_t h = 0; h < kHeads; ++h) {
        sums[h] = Simd::MultiplyAdd(k, LoadPartial(q + size_t{h} * args.head_dim + whole, rest), sums[h]);
      }
    }
    for (uint32_t h = 0; h < kHeads; ++h) {
      args.scratch[size_t{head + h} * kAttentionTile + j] = args.scale * SumLanes(sums[h]);
    }
  }
}

// Turns the scores of one head into weights and scales what was summed before to the new maximum.
void SoftmaxHead(const AttentionArgs& args, uint32_t head, uint32_t count, float* maximum,
                 float* denominator) {
  float* const p = args.scratch + size_t{head} * kAttentionTile;
  const uint32_t padded = (count + kLanes - 1) / kLanes * kLanes;
  std::fill(p + count, p + padded, -std::numeric_limits<float>::infinity());
  Float16 lane_max = Simd::Broadcast(*maximum);
  for (uint32_t j = 0; j < padded; j += kLanes) lane_max = Simd::Max(lane_max, Simd::Load(p + j));
  const float new_maximum = MaxLanes(lane_max);
  if (new_maximum > *maximum) {
    const float rescale = *denominator == 0.0F ? 0.0F : std::exp(*maximum - new_maximum);
    *denominator *= rescale;
    float* const out = args.out + size_t{head} * args.v_head_dim;
    for (uint32_t d = 0; d < args.v_head_dim; ++d) out[d] *= rescale;
    *maximum = new_maximum;
  }
  for (uint32_t j = 0; j < padded; j += kLanes) {
    Simd::Store(p + j, Exp(Simd::Subtract(Simd::Load(p + j), Simd::Broadcast(new_maximum))));
  }
  std::fill(p + count, p + padded, 0.0F);
  Float16 sum = Simd::Zero();
  for (uint32_t j = 0; j < padded; j += kLanes) sum = Simd::Add(sum, Simd::Load(p + j));
  *denominator += SumLanes(sum);
}

// out[h][d .. d + 16 * kVectors) += sum_j p[h][j] v_j for kHeads heads from `head` on.
template <typename Element, uint32_t kHeads, uint32_t kVectors>
void AddValues(const AttentionArgs& args, const KeyTile<Element>& tile, uint32_t head, uint32_t d) {
  float* const out = args.out + size_t{head} * args.v_head_dim + d;
  const float* const p = args.scratch + size_t{head} * kAttentionTile;
  Float16 sums[kHeads][kVectors];
  for (uint32_t h = 0; h < kHeads; ++h) {
    for (uint32_t i = 0; i < kVectors; ++i)
      sums[h][i] = Simd::Load(out + size_t{h} * args.v_head_dim + i * kLanes);
  }
  for (uint32_t j = 0; j < tile.count; ++j) {
    Float16 v[kVectors];
    for (uint32_t i = 0; i < kVectors; ++i) v[i] = LoadElements(tile.v[j] + d + i * kLanes);
    for (uint32_t h = 0; h < kHeads; ++h) {
      const Float16 weight = Simd::Broadcast(p[size_t{h} * kAttentionTile + j]);
      for (uint32_t i = 0; i < kVectors; ++i) sums[h][i] = Simd::MultiplyAdd(weight, v[i], sums[h][i]);
    }
  }
  for (uint32_t h = 0; h < kHeads; ++h) {
    for (uint32_t i = 0; i < kVectors; ++i)
      Simd::Store(out + size_t{h} * args.v_head_dim + i * kLanes, sums[h][i]);
  }
}

// The dimensions after the last whole 16.
template <typename Element>
void AddValuesTail(const AttentionArgs& args, const KeyTile<Element>& tile, uint32_t head, uint32_t d) {
  const uint32_t rest = args.v_head_dim - d;
  float* const out = args.out + size_t{head} * args.v_head_dim + d;
  const float* const p = args.scratch + size_t{head} * kAttentionTile;
  Float16 sum = LoadPartial(out, rest);
  for (uint32_t j = 0; j < tile.count; ++j) {
    sum = Simd::MultiplyAdd(Simd::Broadcast(p[j]), LoadElementsPartial(tile.v[j] + d, rest), sum);
  }
  StorePartial(out, sum, rest);
}

template <typename Element, uint32_t kHeads>
void ValueHeads(const AttentionArgs& args, const KeyTile<Element>& tile, uint32_t head) {
  constexpr uint32_t kVectors = 2;
  uint32_t d = 0;
  for (; d + kVectors * kLanes <= args.v_head_dim; d += kVectors * kLanes) {
    AddValues<Element, kHeads, kVectors>(args, tile, head, d);
  }
  for (; d + kLanes <= args.v_head_dim; d += kLanes) AddValues<Element, kHeads, 1>(args, tile, head, d);
  if (d < args.v_head_dim) {
    for (uint32_t h = 0; h < kHeads; ++h) AddValuesTail(args, tile, head + h, d);
  }
}

template <typename Element>
void Attention(const AttentionArgs& args) {
  float* const maxima = args.scratch + size_t{args.num_heads} * kAttentionTile;
  float* const denominators = maxima + args.num_heads;
  for (uint32_t h = 0; h < args.num_heads; ++h) {
    // The sink is the first term of the sum: exp(sink - M) with M = sink.
    maxima[h] = args.sinks != nullptr ? args.sinks[h] : -std::numeric_limits<float>::infinity();
    denominators[h] = args.sinks != nullptr ? 1.0F : 0.0F;
  }
  std::fill_n(args.out, size_t{args.num_heads} * args.v_head_dim, 0.0F);

  KeyCursor<Element> cursor(args);
  KeyTile<Element> tile;
  for (cursor.Next(&tile); tile.count > 0; cursor.Next(&tile)) {
    uint32_t h = 0;
    for (; h + kHeadsAtOnce <= args.num_heads; h += kHeadsAtOnce)
      ScoreHeads<Element, kHeadsAtOnce>(args, tile, h);
    for (; h < args.num_heads; ++h) ScoreHeads<Element, 1>(args, tile, h);
    for (h = 0; h < args.num_heads; ++h) SoftmaxHead(args, h, tile.count, &maxima[h], &denominators[h]);
    for (h = 0; h + kHeadsAtOnce <= args.num_heads; h += kHeadsAtOnce)
      ValueHeads<Element, kHeadsAtOnce>(args, tile, h);
    for (; h < args.num_heads; ++h) ValueHeads<Element, 1>(args, tile, h);
  }

  for (uint32_t h = 0; h < args.num_heads; ++h) {
    const float inverse = 1.0F / denominators[h];
    float* const out = args.out + size_t{h} * args.v_head_dim;
    for (uint32_t d = 0; d < args.v_head_dim; ++d) out[d] *= inverse;
  }
}

}  // namespace
}  // namespace mimo
