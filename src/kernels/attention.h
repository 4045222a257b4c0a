#pragma once
// Attention in pieces: what a kernel computes for one piece of the keys, and how pieces become a result.
//
// Keys are cut at multiples of kAttentionPieceKeys positions, counted from the start of the sequence. Each
// piece is attended on its own into a partial result; partial results are merged in ascending order, and the
// sink joins at the end. Where the cuts are depends on positions alone, so a token has the same bits whether
// its pieces are computed one after another or by many threads, alone or with the other tokens of its chunk.
// docs/decisions/0014-attention-over-long-contexts.md.

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/matrix_view.h"

namespace mimo {

// How keys and values are stored; the element type of KeySpan. The last two are rows of ggml's blocks of 32.
enum class KvElement : uint8_t { kF32, kBf16, kQ80, kQ40 };

// The type that a matrix of such rows has.
constexpr WeightType WeightTypeOf(KvElement element) {
  constexpr WeightType kTypes[] = {WeightType::kF32, WeightType::kBf16, WeightType::kQ80, WeightType::kQ40};
  return kTypes[static_cast<size_t>(element)];
}

// Bytes of one key or value of `dim` elements. Requires: whole blocks.
constexpr size_t KvRowBytes(KvElement element, uint32_t dim) { return RowBytes(WeightTypeOf(element), dim); }

// Consecutive keys of one KV head: k [count, head_dim], v [count, v_head_dim], densely packed, oldest first.
struct KeySpan {
  const void* k = nullptr;
  const void* v = nullptr;
  uint32_t count = 0;
};

constexpr uint32_t kAttentionPieceKeys = 1024;

// Rows of scratch memory are padded with zeros to whole vectors of 16.
constexpr uint32_t PaddedDim(uint32_t dim) { return (dim + 15) / 16 * 16; }

// What some rows have seen of some keys. A row is one query head of one token.
//
//   values        [rows, PaddedDim(v_head_dim)]  sum_j exp(s_j - maximum) v_j
//   maxima        [rows]                         max_j s_j; the lowest float32 where a row sees no key
//   denominators  [rows]                         sum_j exp(s_j - maximum)
//
// Non-owning.
struct AttentionPartial {
  float* values = nullptr;
  float* maxima = nullptr;
  float* denominators = nullptr;
};

// A partial result in memory of the caller, aligned to 64 bytes; the size is a multiple of 64 bytes.
constexpr size_t AttentionPartialFloats(uint32_t rows, uint32_t v_head_dim) {
  return (size_t{rows} * (PaddedDim(v_head_dim) + 2) + 15) / 16 * 16;
}
inline AttentionPartial AttentionPartialAt(float* memory, uint32_t rows, uint32_t v_head_dim) {
  float* const maxima = memory + size_t{rows} * PaddedDim(v_head_dim);
  return {.values = memory, .maxima = maxima, .denominators = maxima + rows};
}

// Causal attention of consecutive tokens over one KV head's keys: all query heads that share it, some of the
// keys.
//
//   q        float32; head h of token t at q + t * q_stride + h * head_dim: rotated, not scaled
//   spans    keys at the positions from first_key on, oldest first, of which each token sees its own
//   partial  rows t * num_heads + h; overwritten
//
// Token t stands at `position` + t and sees the last `window` keys up to itself (0 = all), of those given.
//
//   s_j = scale * (q . k_j)
struct AttentionArgs {
  KvElement element = KvElement::kF32;
  const float* q = nullptr;
  size_t q_stride = 0;
  uint32_t num_tokens = 0;
  uint32_t num_heads = 0;
  uint32_t head_dim = 0;
  uint32_t v_head_dim = 0;
  float scale = 0;
  uint32_t position = 0;
  uint32_t window = 0;
  std::span<const KeySpan> spans;
  uint32_t first_key = 0;
  AttentionPartial partial;
  float* scratch = nullptr;  // AttentionScratchFloats, aligned to 64 bytes
};

// The first key that token t sees, and the one after the last.
inline uint32_t FirstVisibleKey(const AttentionArgs& args, uint32_t t) {
  const uint32_t end = args.position + t + 1;
  return args.window != 0 && end > args.window ? end - args.window : 0;
}
inline uint32_t VisibleKeysEnd(const AttentionArgs& args, uint32_t t) { return args.position + t + 1; }

// Keys that one pass of the online softmax takes. Tiles begin at multiples of it, as pieces do.
constexpr uint32_t kAttentionTile = 128;
static_assert(kAttentionPieceKeys % kAttentionTile == 0);

// Rows are taken eight at a time.
constexpr uint32_t kAttentionBlockRows = 8;

// Scores of a tile for a block of rows, and room for writing past them.
constexpr size_t kAttentionScoresFloats = size_t{kAttentionTile + 2} * kAttentionBlockRows;

constexpr size_t AttentionScratchFloats(uint32_t rows, uint32_t head_dim, uint32_t v_head_dim) {
  const size_t padded_rows = (rows + kAttentionBlockRows - 1) / kAttentionBlockRows * kAttentionBlockRows;
  const size_t queries = padded_rows * PaddedDim(head_dim);
  const size_t decoded = size_t{kAttentionTile} * (PaddedDim(head_dim) + PaddedDim(v_head_dim));
  return kAttentionScoresFloats + queries + decoded;
}

// into = what `into` and `from` have seen together, for `rows` rows. Where one of them has seen no key, the
// other stays as it is, to the bit.
void MergeAttention(const AttentionPartial& from, uint32_t rows, uint32_t v_head_dim,
                    const AttentionPartial& into);

// out[h] [v_head_dim] = values / denominator for the `num_heads` rows from `first_row` on.
//
//   sinks  [num_heads] or null: a logit per head that joins the softmax denominator and has no value
//
// Source: MiMo-V2-Flash technical report (arXiv 2601.02780), learnable attention sink bias.
struct FinishAttentionArgs {
  AttentionPartial partial;
  uint32_t first_row = 0;
  uint32_t num_heads = 0;
  uint32_t v_head_dim = 0;
  const float* sinks = nullptr;
  float* out = nullptr;
};
void FinishAttention(const FinishAttentionArgs& args);

}  // namespace mimo
