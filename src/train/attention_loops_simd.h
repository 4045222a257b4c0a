#pragma once
// Attention with a window, sinks and packed conversations, forward and backward, for one row of the batch.
//
// Queries go in blocks of kAttentionQueryBlock; a block computes scores of just the keys that one of its
// queries sees. The softmax needs no running maximum: a block's scores fit the caches at training lengths.
// The backward pass computes them again from the stored log sums (Dao et al., FlashAttention-2, arXiv
// 2307.08691, section 3.1). Include after small_gemm_simd.h.

#include <algorithm>
#include <cmath>

#include "train/fused_loops.h"

namespace mimo {
namespace {

// The keys that a block of queries works with. Rows of the score matrix have ScratchStride floats.
struct KeyRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t count() const { return end - begin; }
};

struct AttentionBlock {
  int64_t query_begin = 0;
  int64_t num_queries = 0;
  KeyRange keys;
};

inline int64_t FirstKey(const int64_t* positions, const AttentionShape& shape, int64_t query) {
  int64_t reach = positions[query];
  if (shape.window > 0) reach = std::min(reach, shape.window - 1);
  return query - reach;
}

inline AttentionBlock MakeBlock(const int64_t* positions, const AttentionShape& shape, int64_t query_begin) {
  AttentionBlock block;
  block.query_begin = query_begin;
  block.num_queries = std::min(kAttentionQueryBlock, shape.length - query_begin);
  block.keys.begin = query_begin;
  block.keys.end = query_begin + block.num_queries;
  for (int64_t i = query_begin; i < block.keys.end; ++i) {
    block.keys.begin = std::min(block.keys.begin, FirstKey(positions, shape, i));
  }
  return block;
}

// out[column, row] = x[row, column]
inline void Transpose(ConstRowMatrix x, int64_t rows, int64_t columns, RowMatrix out) {
  // A few rows at a time, so that the lines of `out` stay in the cache until they are full.
  constexpr int64_t kRows = 16;
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t end = std::min(first + kRows, rows);
    for (int64_t column = 0; column < columns; ++column) {
      for (int64_t row = first; row < end; ++row) {
        out.data[column * out.row_stride + row] = x.data[row * x.row_stride + column];
      }
    }
  }
}

// Where the parts of one head stand.
struct HeadViews {
  int64_t index;  // of the query head
  int64_t group;  // index of its key-value head
  const float* q;
  const float* k;
  const float* v;
  const float* k_transposed;  // [head_dim, length], rows of ScratchStride
  const float* v_transposed;  // [v_head_dim, length], likewise; backward only
};

// scores [num_queries, keys], rows of ScratchStride: q . k, not scaled
inline void Scores(const HeadViews& head, const AttentionShape& shape, const AttentionBlock& block,
                   float* scores) {
  SmallGemm<GemmMode::kOverwrite>({head.q + block.query_begin * shape.width, shape.width, 1},
                                  {head.k_transposed + block.keys.begin, ScratchStride(shape)},
                                  {block.num_queries, block.keys.count(), shape.head_dim},
                                  {scores, ScratchStride(shape)});
}

// Scores of one query become exp(score * scale - log sum); keys that it does not see become 0.
inline void Exponentiate(float* scores, KeyRange visible, int64_t num_keys, float scale, float log_sum) {
  std::fill(scores, scores + visible.begin, 0.0F);
  ForEachLanes(static_cast<uint32_t>(visible.count()), [&](uint32_t i, uint32_t lanes) {
    float* const p = scores + visible.begin + i;
    const Float16 x =
        Simd::MultiplyAdd(LoadSome(p, lanes), Simd::Broadcast(scale), Simd::Broadcast(-log_sum));
    StoreSome(p, Exp(x), lanes);
  });
  std::fill(scores + visible.end, scores + num_keys, 0.0F);
}

inline float Dot(const float* a, const float* b, int64_t size) {
  Float16 sums = Simd::Zero();
  ForEachLanes(static_cast<uint32_t>(size), [&](uint32_t i, uint32_t lanes) {
    sums = Simd::MultiplyAdd(LoadSome(a + i, lanes), LoadSome(b + i, lanes), sums);
  });
  return SumLanes(sums);
}

// Requires: size >= 1.
inline float Largest(const float* values, int64_t size) {
  Float16 largest = Simd::Broadcast(values[0]);
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) largest = Simd::Max(largest, Simd::Load(values + i));
  float lanes[kLanes];
  Simd::Store(lanes, largest);
  return std::max(*std::max_element(lanes, lanes + kLanes),
                  *std::max_element(values + std::min(i, size - 1), values + size));
}

// The softmax of one query; returns the log of its denominator.
inline float Softmax(float* scores, KeyRange visible, int64_t num_keys, float scale, const float* sink) {
  float largest = scale * Largest(scores + visible.begin, visible.count());
  if (sink != nullptr) largest = std::max(largest, *sink);
  std::fill(scores, scores + visible.begin, 0.0F);
  Float16 sums = Simd::Zero();
  float rest = sink != nullptr ? std::exp(*sink - largest) : 0.0F;
  ForEachLanes(static_cast<uint32_t>(visible.count()), [&](uint32_t i, uint32_t lanes) {
    float* const p = scores + visible.begin + i;
    const Float16 e =
        Exp(Simd::MultiplyAdd(LoadSome(p, lanes), Simd::Broadcast(scale), Simd::Broadcast(-largest)));
    StoreSome(p, e, lanes);
    if (lanes == kLanes) {
      sums = Simd::Add(sums, e);
    } else {
      for (uint32_t lane = 0; lane < lanes; ++lane) rest += p[lane];
    }
  });
  std::fill(scores + visible.end, scores + num_keys, 0.0F);
  const float denominator = rest + SumLanes(sums);
  const Float16 factor = Simd::Broadcast(1.0F / denominator);
  ForEachLanes(static_cast<uint32_t>(visible.count()), [&](uint32_t i, uint32_t lanes) {
    float* const p = scores + visible.begin + i;
    StoreSome(p, Simd::Multiply(LoadSome(p, lanes), factor), lanes);
  });
  return largest + std::log(denominator);
}

inline KeyRange VisibleInBlock(const int64_t* positions, const AttentionShape& shape,
                               const AttentionBlock& block, int64_t row) {
  const int64_t query = block.query_begin + row;
  return {.begin = FirstKey(positions, shape, query) - block.keys.begin, .end = query + 1 - block.keys.begin};
}

inline int64_t KeyOffset(const AttentionShape& shape, int64_t group) {
  return (shape.num_heads + group) * shape.head_dim;
}
inline int64_t ValueOffset(const AttentionShape& shape, int64_t group) {
  return (shape.num_heads + shape.num_kv_heads) * shape.head_dim + group * shape.v_head_dim;
}

void AttentionForward(const AttentionForwardArgs& args, const AttentionShape& shape) {
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  const int64_t out_width = shape.num_heads * shape.v_head_dim;
  const int64_t per_group = shape.num_heads / shape.num_kv_heads;
  float* const k_transposed = args.scratch;
  const int64_t stride = ScratchStride(shape);
  float* const scores = k_transposed + shape.head_dim * stride;
  for (int64_t group = 0; group < shape.num_kv_heads; ++group) {
    HeadViews head = {};
    head.group = group;
    head.k = args.qkv + KeyOffset(shape, group);
    head.v = args.qkv + ValueOffset(shape, group);
    head.k_transposed = k_transposed;
    Transpose({head.k, shape.width}, shape.length, shape.head_dim, {k_transposed, stride});
    for (int64_t h = group * per_group; h < (group + 1) * per_group; ++h) {
      head.index = h;
      head.q = args.qkv + h * shape.head_dim;
      for (int64_t begin = 0; begin < shape.length; begin += kAttentionQueryBlock) {
        const AttentionBlock block = MakeBlock(args.positions, shape, begin);
        Scores(head, shape, block, scores);
        for (int64_t row = 0; row < block.num_queries; ++row) {
          const KeyRange visible = VisibleInBlock(args.positions, shape, block, row);
          args.log_sums[h * shape.length + begin + row] =
              Softmax(scores + row * stride, visible, block.keys.count(), scale,
                      args.sinks == nullptr ? nullptr : args.sinks + h);
        }
        SmallGemm<GemmMode::kOverwrite>({scores, stride, 1},
                                        {head.v + block.keys.begin * shape.width, shape.width},
                                        {block.num_queries, shape.v_head_dim, block.keys.count()},
                                        {args.out + begin * out_width + h * shape.v_head_dim, out_width});
      }
    }
  }
}

// Scratch of the backward pass of one block.
struct BackwardScratch {
  float* weights;           // [kAttentionQueryBlock, length], rows of ScratchStride
  float* weight_gradients;  // [kAttentionQueryBlock, length], likewise; then those of the scores
};

// Weights of the block again, and the gradients of its scores. Returns the gradient of the sink.
inline float ScoreGradients(const AttentionBackwardArgs& args, const AttentionShape& shape,
                            const AttentionBlock& block, int64_t h, const BackwardScratch& scratch) {
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  const int64_t out_width = shape.num_heads * shape.v_head_dim;
  float sink_gradient = 0;
  for (int64_t row = 0; row < block.num_queries; ++row) {
    const int64_t query = block.query_begin + row;
    const KeyRange visible = VisibleInBlock(args.positions, shape, block, row);
    const float log_sum = args.log_sums[h * shape.length + query];
    float* const weights = scratch.weights + row * ScratchStride(shape);
    float* const gradients = scratch.weight_gradients + row * ScratchStride(shape);
    Exponentiate(weights, visible, block.keys.count(), scale, log_sum);
    // The gradient of a softmax: dS = P (dP - sum_j P_j dP_j), where the sum is out . d(out).
    const float* const out = args.out + query * out_width + h * shape.v_head_dim;
    const float* const out_gradient = args.out_gradient + query * out_width + h * shape.v_head_dim;
    const float dot = Dot(out, out_gradient, shape.v_head_dim);
    if (args.sinks != nullptr) sink_gradient -= std::exp(args.sinks[h] - log_sum) * dot;
    ForEachLanes(static_cast<uint32_t>(block.keys.count()), [&](uint32_t i, uint32_t lanes) {
      const Float16 p = Simd::Multiply(LoadSome(weights + i, lanes), Simd::Broadcast(scale));
      const Float16 difference = Simd::Subtract(LoadSome(gradients + i, lanes), Simd::Broadcast(dot));
      StoreSome(gradients + i, Simd::Multiply(p, difference), lanes);
    });
  }
  return sink_gradient;
}

inline void BackwardBlock(const AttentionBackwardArgs& args, const AttentionShape& shape,
                          const HeadViews& head, const AttentionBlock& block,
                          const BackwardScratch& scratch) {
  const int64_t h = head.index;
  const int64_t out_width = shape.num_heads * shape.v_head_dim;
  const float* const out_gradient = args.out_gradient + block.query_begin * out_width + h * shape.v_head_dim;
  const int64_t num_keys = block.keys.count();
  const int64_t stride = ScratchStride(shape);
  Scores(head, shape, block, scratch.weights);
  SmallGemm<GemmMode::kOverwrite>(
      {out_gradient, out_width, 1}, {head.v_transposed + block.keys.begin, stride},
      {block.num_queries, num_keys, shape.v_head_dim}, {scratch.weight_gradients, stride});
  const float sink_gradient = ScoreGradients(args, shape, block, h, scratch);
  if (args.sinks_gradient != nullptr) args.sinks_gradient[h] += sink_gradient;
  float* const key_rows = args.qkv_gradient + block.keys.begin * shape.width;
  SmallGemm<GemmMode::kAdd>({scratch.weights, 1, stride}, {out_gradient, out_width},
                            {num_keys, shape.v_head_dim, block.num_queries},
                            {key_rows + ValueOffset(shape, head.group), shape.width});
  SmallGemm<GemmMode::kAdd>(
      {scratch.weight_gradients, 1, stride}, {head.q + block.query_begin * shape.width, shape.width},
      {num_keys, shape.head_dim, block.num_queries}, {key_rows + KeyOffset(shape, head.group), shape.width});
  SmallGemm<GemmMode::kOverwrite>(
      {scratch.weight_gradients, stride, 1}, {head.k + block.keys.begin * shape.width, shape.width},
      {block.num_queries, shape.head_dim, num_keys},
      {args.qkv_gradient + block.query_begin * shape.width + h * shape.head_dim, shape.width});
}

void AttentionBackward(const AttentionBackwardArgs& args, const AttentionShape& shape) {
  const int64_t per_group = shape.num_heads / shape.num_kv_heads;
  float* const k_transposed = args.scratch;
  const int64_t stride = ScratchStride(shape);
  float* const v_transposed = k_transposed + shape.head_dim * stride;
  BackwardScratch scratch = {};
  scratch.weights = v_transposed + shape.v_head_dim * stride;
  scratch.weight_gradients = scratch.weights + kAttentionQueryBlock * stride;
  std::fill(args.qkv_gradient, args.qkv_gradient + shape.length * shape.width, 0.0F);
  for (int64_t group = 0; group < shape.num_kv_heads; ++group) {
    HeadViews head = {};
    head.group = group;
    head.k = args.qkv + KeyOffset(shape, group);
    head.v = args.qkv + ValueOffset(shape, group);
    head.k_transposed = k_transposed;
    head.v_transposed = v_transposed;
    Transpose({head.k, shape.width}, shape.length, shape.head_dim, {k_transposed, stride});
    Transpose({head.v, shape.width}, shape.length, shape.v_head_dim, {v_transposed, stride});
    for (int64_t h = group * per_group; h < (group + 1) * per_group; ++h) {
      head.index = h;
      head.q = args.qkv + h * shape.head_dim;
      for (int64_t begin = 0; begin < shape.length; begin += kAttentionQueryBlock) {
        BackwardBlock(args, shape, head, MakeBlock(args.positions, shape, begin), scratch);
      }
    }
  }
}

}  // namespace
}  // namespace mimo
