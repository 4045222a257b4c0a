// Attention of one layer: project, rotate, store keys and values, attend, project back.
//
// A paged layer writes its new keys into their blocks first and then reads everything from there. A sliding
// layer keeps the step's keys aside, because a long chunk would overwrite the ring while its first tokens
// still need it; the ring takes the last ones when all tokens have attended. Both round keys and values to
// the cache's type before anyone reads them, so that a chunk boundary changes nothing.

#include <algorithm>
#include <cmath>

#include "kernels/rope.h"
#include "model/forward_step.h"
#include "model/kv_access.h"

namespace mimo {
namespace {

class AttentionStep {
 public:
  AttentionStep(ForwardStep& step, const AttentionWeights& weights, const AttentionGeometry& geometry,
                KvAccess kv, KvType type)
      : step_(step), weights_(weights), geometry_(geometry), kv_(kv), type_(type) {}

  void Run() {
    Project();
    step_.pool->ParallelFor(step_.num_tokens, [&](uint32_t token, uint32_t) { RotateAndStore(token); });
    step_.pool->ParallelFor(step_.num_tokens * geometry_.num_key_value_heads,
                            [&](uint32_t task, uint32_t thread) {
                              Attend(task / geometry_.num_key_value_heads,
                                     task % geometry_.num_key_value_heads, step_.threads[thread]);
                            });
    if (!kv_.is_paged()) {
      step_.pool->ParallelFor(geometry_.num_key_value_heads,
                              [&](uint32_t head, uint32_t) { FillRings(head); });
    }
  }

 private:
  void Project() {
    const std::span<const float* const> x_rows = {step_.normed.pointers(), step_.num_tokens};
    for (const QkvProjection::Part& part : weights_.qkv.parts) {
      step_.MatMul(part.matrix, x_rows, step_.qkv.row(0) + part.offset, step_.qkv.row_size());
    }
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
    for (uint32_t head = 0; head < geometry_.num_key_value_heads; ++head) {
      float* const k = qkv + weights_.qkv.k_offsets[head];
      float* const v = qkv + weights_.qkv.v_offsets[head];
      RotateHead(k, cosines, sines, half);
      for (uint32_t d = 0; d < geometry_.v_head_dim; ++d) v[d] *= step_.config->attention_value_scale;
      StoreKvElements(type_, {k, geometry_.head_dim}, NewKey(token, head));
      StoreKvElements(type_, {v, geometry_.v_head_dim}, NewValue(token, head));
    }
  }

  // Where the keys of this step's token are kept while the step runs.
  std::byte* NewKey(uint32_t token, uint32_t head) {
    const TokenPlace& place = step_.places[token];
    if (kv_.is_paged()) return kv_.K(Block(place), head, place.position % kKvBlockTokens);
    return step_.window_k.get() + WindowRow(token, head) * geometry_.head_dim * KvAccess::ElementBytes(type_);
  }
  std::byte* NewValue(uint32_t token, uint32_t head) {
    const TokenPlace& place = step_.places[token];
    if (kv_.is_paged()) return kv_.V(Block(place), head, place.position % kKvBlockTokens);
    return step_.window_v.get() +
           WindowRow(token, head) * geometry_.v_head_dim * KvAccess::ElementBytes(type_);
  }
  uint32_t Block(const TokenPlace& place) const {
    return step_.batch[place.chunk].blocks[place.position / kKvBlockTokens].value;
  }
  size_t WindowRow(uint32_t token, uint32_t head) const { return size_t{head} * step_.num_tokens + token; }

  void AppendVisibleKeys(uint32_t token, uint32_t head, std::vector<KeySpan>* spans) {
    const TokenPlace& place = step_.places[token];
    const SequenceChunk& chunk = step_.batch[place.chunk];
    const uint32_t end = place.position + 1;
    if (kv_.is_paged()) {
      kv_.AppendPagedSpans(chunk.blocks, head, 0, end, spans);
      return;
    }
    const uint32_t begin = end > kv_.window() ? end - kv_.window() : 0;
    if (begin < chunk.first_position)
      kv_.AppendRingSpans(chunk.ring, head, begin, chunk.first_position, spans);
    const uint32_t new_begin = std::max(begin, chunk.first_position);
    const uint32_t row = place.row_begin + (new_begin - chunk.first_position);
    spans->push_back({NewKey(row, head), NewValue(row, head), end - new_begin});
  }

  void Attend(uint32_t token, uint32_t kv_head, ThreadScratch& scratch) {
    scratch.spans.clear();
    AppendVisibleKeys(token, kv_head, &scratch.spans);
    const uint32_t group = geometry_.num_attention_heads / geometry_.num_key_value_heads;
    const uint32_t head = kv_head * group;
    const AttentionArgs args = {
        .q = step_.queries.row(token) + size_t{head} * geometry_.head_dim,
        .spans = scratch.spans,
        .sinks = weights_.sinks.empty() ? nullptr : weights_.sinks.data() + head,
        .num_heads = group,
        .head_dim = geometry_.head_dim,
        .v_head_dim = geometry_.v_head_dim,
        .scale = 1.0F / std::sqrt(static_cast<float>(geometry_.head_dim)),
        .out = step_.attention.row(token) + size_t{head} * geometry_.v_head_dim,
        .scratch = scratch.attention.get(),
    };
    if (type_ == KvType::kF32) {
      step_.kernels->attention_f32(args);
    } else {
      step_.kernels->attention_bf16(args);
    }
  }

  void FillRings(uint32_t head) {
    const size_t k_bytes = geometry_.head_dim * KvAccess::ElementBytes(type_);
    const size_t v_bytes = geometry_.v_head_dim * KvAccess::ElementBytes(type_);
    for (uint32_t token = 0; token < step_.num_tokens; ++token) {
      const TokenPlace& place = step_.places[token];
      const SequenceChunk& chunk = step_.batch[place.chunk];
      const auto end = static_cast<uint32_t>(chunk.first_position + chunk.tokens.size());
      if (place.position + kv_.ring_tokens() < end) continue;  // a later token of the chunk takes its slot
      const uint32_t slot = kv_.RingSlot(place.position);
      std::copy_n(NewKey(token, head), k_bytes, kv_.K(chunk.ring.value, head, slot));
      std::copy_n(NewValue(token, head), v_bytes, kv_.V(chunk.ring.value, head, slot));
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
  for (uint32_t token = 0; token < step.num_tokens; ++token) {
    step.kernels->add_scaled(step.projected.row(token), 1.0F, step.config->hidden_size, step.x.row(token));
  }
}

}  // namespace mimo
