// Attention of one layer: project, rotate, store keys and values, attend, project back.
//
// A paged layer writes its new keys into their blocks first and then reads everything from there. A sliding
// layer keeps the step's keys aside, because a long chunk would overwrite the ring while its first tokens
// still need it; the ring takes the last ones when all tokens have attended. Both round keys and values to
// the cache's type before anyone reads them, so that a chunk boundary changes nothing. Tokens that are
// replayed find their keys in the blocks of a paged layer and leave them alone: their own may be inexact.

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/rope.h"
#include "model/forward_step.h"
#include "model/kv_access.h"
#include "model/kv_elements.h"

namespace mimo {
namespace {

constexpr size_t kQkvPartsMax = 3;
// Copying the keys of fewer tokens takes less time than starting a loop over threads.
constexpr uint32_t kTokensOfLoop = 8;

class AttentionStep {
 public:
  AttentionStep(ForwardStep& step, const AttentionWeights& weights, const AttentionGeometry& geometry,
                KvAccess kv, KvType type)
      : step_(step), weights_(weights), geometry_(geometry), kv_(kv), type_(type) {}

  void Run() {
    Project();
    step_.pool->ParallelFor(step_.num_tokens, [&](uint32_t token, uint32_t) { RotateAndStore(token); });
    Attend();
    if (!kv_.is_paged()) FillRings();
  }

 private:
  void Project() {
    std::array<Product, kQkvPartsMax> products;
    const std::span<const QkvProjection::Part> parts = weights_.qkv.parts;
    for (size_t i = 0; i < parts.size(); ++i) {
      products[i] = {&parts[i].matrix, step_.qkv.row(0) + parts[i].offset, step_.qkv.row_size()};
    }
    step_.MatMul(std::span(products).first(parts.size()), {step_.normed.pointers(), step_.num_tokens});
  }

  void AddBiases(float* qkv) const {
    for (const QkvProjection::Part& part : weights_.qkv.parts) {
      for (size_t i = 0; i < part.bias.size(); ++i) qkv[part.offset + i] += part.bias[i];
    }
  }

  void RotateAndStore(uint32_t token) {
    float* const qkv = step_.qkv.row(token);
    AddBiases(qkv);
    const RopeTable& rope = geometry_.window == 0 ? step_.full_rope : step_.sliding_rope;
    const uint32_t half = geometry_.rotary_dim / 2;
    const float* const cosines = rope.cosines.data() + size_t{token} * half;
    const float* const sines = rope.sines.data() + size_t{token} * half;
    for (uint32_t head = 0; head < geometry_.num_attention_heads; ++head) {
      float* const query = step_.queries.row(token) + size_t{head} * geometry_.head_dim;
      std::copy_n(qkv + weights_.qkv.q_offsets[head], geometry_.head_dim, query);
      RotateHead(query, cosines, sines, half);
    }
    if (HasStoredKeys(step_.places[token])) return;
    for (uint32_t head = 0; head < geometry_.num_key_value_heads; ++head) {
      float* const k = qkv + weights_.qkv.k_offsets[head];
      float* const v = qkv + weights_.qkv.v_offsets[head];
      RotateHead(k, cosines, sines, half);
      for (uint32_t d = 0; d < geometry_.v_head_dim; ++d) v[d] *= step_.config->attention_value_scale;
      StoreKvElements(type_, {k, geometry_.head_dim}, NewKey(token, head));
      StoreKvElements(type_, {v, geometry_.v_head_dim}, NewValue(token, head));
    }
  }

  bool HasStoredKeys(const TokenPlace& place) const {
    return kv_.is_paged() && place.position < step_.batch[place.chunk].cached_end;
  }

  // Where the keys of this step's token are kept while the step runs.
  std::byte* NewKey(uint32_t token, uint32_t head) {
    const TokenPlace& place = step_.places[token];
    if (kv_.is_paged()) return kv_.K(Block(place), head, place.position % kKvBlockTokens);
    return step_.window_k.get() + WindowRow(token, head) * kv_.k_bytes();
  }
  std::byte* NewValue(uint32_t token, uint32_t head) {
    const TokenPlace& place = step_.places[token];
    if (kv_.is_paged()) return kv_.V(Block(place), head, place.position % kKvBlockTokens);
    return step_.window_v.get() + WindowRow(token, head) * kv_.v_bytes();
  }
  uint32_t Block(const TokenPlace& place) const {
    return step_.batch[place.chunk].blocks[place.position / kKvBlockTokens].value;
  }
  size_t WindowRow(uint32_t token, uint32_t head) const { return size_t{head} * step_.num_tokens + token; }

  // The keys at positions [begin, end) that a chunk's tokens see.
  void AppendKeys(const TokenPlace& place, uint32_t head, uint32_t begin, uint32_t end,
                  std::vector<KeySpan>* spans) {
    const SequenceChunk& chunk = step_.batch[place.chunk];
    if (kv_.is_paged()) {
      kv_.AppendPagedSpans(chunk.blocks, head, begin, end, spans);
      return;
    }
    const uint32_t ring_end = std::min(end, chunk.first_position);
    if (begin < ring_end) kv_.AppendRingSpans(chunk.ring, head, begin, ring_end, spans);
    const uint32_t new_begin = std::max(begin, chunk.first_position);
    if (new_begin >= end) return;
    const uint32_t row = place.row_begin + (new_begin - chunk.first_position);
    spans->push_back({NewKey(row, head), NewValue(row, head), end - new_begin});
  }

  void Attend() {
    AttentionPlan& plan = step_.attention_plan;
    plan.Make(std::span(step_.places).first(step_.num_tokens), geometry_, step_.pool->num_threads());
    const uint32_t kv_heads = geometry_.num_key_value_heads;
    const auto num_blocks = static_cast<uint32_t>(plan.blocks().size());
    if (!plan.is_split()) {
      step_.pool->ParallelFor(num_blocks * kv_heads, [&](uint32_t task, uint32_t thread) {
        AttendBlock(plan.blocks()[task / kv_heads], task % kv_heads, step_.threads[thread]);
      });
      return;
    }
    ReservePiecePartials();
    step_.pool->ParallelFor(plan.num_pieces() * kv_heads, [&](uint32_t task, uint32_t thread) {
      const uint32_t index = task / kv_heads;
      const uint32_t kv_head = task % kv_heads;
      const AttentionBlock& block = plan.BlockOfPiece(index);
      AttendPiece(block, block.first_piece() + index - block.pieces_before, kv_head, step_.threads[thread],
                  PiecePartial(block, index, kv_head));
    });
    step_.pool->ParallelFor(num_blocks * kv_heads, [&](uint32_t task, uint32_t) {
      const AttentionBlock& block = plan.blocks()[task / kv_heads];
      const uint32_t kv_head = task % kv_heads;
      const AttentionPartial all = PiecePartial(block, block.pieces_before, kv_head);
      for (uint32_t i = 1; i < block.num_pieces(); ++i) {
        MergeAttention(PiecePartial(block, block.pieces_before + i, kv_head), Rows(block),
                       geometry_.v_head_dim, all);
      }
      Finish(block, kv_head, all);
    });
  }

  void AttendBlock(const AttentionBlock& block, uint32_t kv_head, ThreadScratch& scratch) {
    const AttentionPartial all = PartialAt(scratch.partials[0].get(), block);
    const AttentionPartial one = PartialAt(scratch.partials[1].get(), block);
    for (uint32_t i = 0; i < block.num_pieces(); ++i) {
      AttendPiece(block, block.first_piece() + i, kv_head, scratch, i == 0 ? all : one);
      if (i > 0) MergeAttention(one, Rows(block), geometry_.v_head_dim, all);
    }
    Finish(block, kv_head, all);
  }

  void AttendPiece(const AttentionBlock& block, uint32_t piece, uint32_t kv_head, ThreadScratch& scratch,
                   const AttentionPartial& partial) {
    const TokenPlace& place = step_.places[block.token];
    const uint32_t begin = std::max(block.key_begin, piece * kAttentionPieceKeys);
    const uint32_t end = std::min(block.key_end, (piece + 1) * kAttentionPieceKeys);
    scratch.spans.clear();
    AppendKeys(place, kv_head, begin, end, &scratch.spans);
    step_.kernels->attention({
        .element = type_,
        .q = step_.queries.row(block.token) + size_t{kv_head} * Group() * geometry_.head_dim,
        .q_stride = step_.queries.row_size(),
        .num_tokens = block.num_tokens,
        .num_heads = Group(),
        .head_dim = geometry_.head_dim,
        .v_head_dim = geometry_.v_head_dim,
        .scale = 1.0F / std::sqrt(static_cast<float>(geometry_.head_dim)),
        .position = place.position,
        .window = geometry_.window,
        .spans = scratch.spans,
        .first_key = begin,
        .partial = partial,
        .scratch = reinterpret_cast<float*>(scratch.attention.get()),
    });
  }

  void Finish(const AttentionBlock& block, uint32_t kv_head, const AttentionPartial& partial) {
    const uint32_t head = kv_head * Group();
    for (uint32_t i = 0; i < block.num_tokens; ++i) {
      FinishAttention({
          .partial = partial,
          .first_row = i * Group(),
          .num_heads = Group(),
          .v_head_dim = geometry_.v_head_dim,
          .sinks = weights_.sinks.empty() ? nullptr : weights_.sinks.data() + head,
          .out = step_.attention.row(block.token + i) + size_t{head} * geometry_.v_head_dim,
      });
    }
  }

  uint32_t Group() const { return geometry_.num_attention_heads / geometry_.num_key_value_heads; }
  uint32_t Rows(const AttentionBlock& block) const { return block.num_tokens * Group(); }

  AttentionPartial PartialAt(std::byte* memory, const AttentionBlock& block) const {
    return AttentionPartialAt(reinterpret_cast<float*>(memory), Rows(block), geometry_.v_head_dim);
  }

  size_t PiecePartialBytes() const {
    return AttentionPlan::PartialFloats(geometry_, step_.attention_plan.block_tokens_max()) * sizeof(float);
  }

  // Where piece `index` of the plan leaves its result.
  AttentionPartial PiecePartial(const AttentionBlock& block, uint32_t index, uint32_t kv_head) const {
    const size_t slot = size_t{index} * geometry_.num_key_value_heads + kv_head;
    return PartialAt(step_.piece_partials.get() + slot * PiecePartialBytes(), block);
  }

  // Grows by half, because a context grows token by token.
  void ReservePiecePartials() {
    const size_t bytes =
        size_t{step_.attention_plan.num_pieces()} * geometry_.num_key_value_heads * PiecePartialBytes();
    if (bytes <= step_.piece_partials_bytes) return;
    step_.piece_partials_bytes = bytes + bytes / 2;
    step_.piece_partials.Allocate(step_.piece_partials_bytes);
  }

  void FillRings() {
    const auto fill = [&](uint32_t head, uint32_t /*thread*/) { FillRings(head); };
    if (step_.num_tokens < kTokensOfLoop) {
      for (uint32_t head = 0; head < geometry_.num_key_value_heads; ++head) fill(head, 0);
    } else {
      step_.pool->ParallelFor(geometry_.num_key_value_heads, fill);
    }
  }

  void FillRings(uint32_t head) {
    for (uint32_t token = 0; token < step_.num_tokens; ++token) {
      const TokenPlace& place = step_.places[token];
      const SequenceChunk& chunk = step_.batch[place.chunk];
      const auto end = static_cast<uint32_t>(chunk.first_position + chunk.tokens.size());
      if (place.position + kv_.ring_tokens() < end) continue;  // a later token of the chunk takes its slot
      const uint32_t slot = kv_.RingSlot(place.position);
      std::copy_n(NewKey(token, head), kv_.k_bytes(), kv_.K(chunk.ring.value, head, slot));
      std::copy_n(NewValue(token, head), kv_.v_bytes(), kv_.V(chunk.ring.value, head, slot));
    }
  }

  ForwardStep& step_;
  const AttentionWeights& weights_;
  const AttentionGeometry& geometry_;
  KvAccess kv_;
  KvType type_;
};

}  // namespace

void AttentionLayer(ForwardStep& step, const AttentionWeights& weights, uint32_t layer_index, KvStorage& kv) {
  const AttentionGeometry& geometry = layer_index < step.config->num_hidden_layers
                                          ? step.config->Attention(layer_index)
                                          : step.config->MtpAttention();
  AttentionStep(step, weights, geometry, KvAccess(kv, layer_index), kv.options().type).Run();
  step.MatMul(weights.o_proj, step.attention, &step.projected);
  step.pool->ParallelFor(step.num_tokens, [&](uint32_t token, uint32_t) {
    step.kernels->add_scaled(step.projected.row(token), 1.0F, step.config->hidden_size, step.x.row(token));
  });
}

}  // namespace mimo
