#pragma once
// What the parts of one forward step share: the kernels, the threads and the scratch memory.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/attention_plan.h"
#include "model/model.h"
#include "model/row_quantizer.h"
#include "weights/model_weights.h"

namespace mimo {

// Weight rows that one task of a parallel loop computes. Half a megabyte of bf16 at 4096 columns: long enough
// to hide the cost of handing it out, short enough to balance two threads.
constexpr uint32_t kRowsPerTask = 64;

// Scratch memory that becomes resident only where a step writes it: a server that decodes one token at a time
// does not pay for the largest prefill chunk.
template <typename T>
using Scratch = std::unique_ptr<T[]>;
template <typename T>
Scratch<T> AllocateScratch(size_t count) {
  return std::make_unique_for_overwrite<T[]>(count);
}

// Float32 rows of equal length, with a pointer to each, as MatMulArgs wants them.
class RowBuffer {
 public:
  void Allocate(uint32_t rows, uint32_t row_size) {
    row_size_ = row_size;
    values_ = AllocateScratch<float>(size_t{rows} * row_size);
    pointers_.resize(rows);
    for (uint32_t i = 0; i < rows; ++i) pointers_[i] = row(i);
  }
  float* row(uint32_t index) { return values_.get() + size_t{index} * row_size_; }
  const float* const* pointers() const { return pointers_.data(); }
  uint32_t row_size() const { return row_size_; }

 private:
  Scratch<float> values_;
  std::vector<const float*> pointers_;
  uint32_t row_size_ = 0;
};

// The experts that the tokens of a step go to, grouped by expert: expert e has the slots
// [offsets[e], offsets[e + 1]), each one token with its weight. Tokens ascend within an expert.
struct ExpertRouting {
  std::vector<uint32_t> offsets;  // [experts + 1]
  std::vector<uint32_t> tokens;   // [slots]
  std::vector<float> weights;     // [slots]
  std::vector<uint32_t> active;   // experts with at least one slot, ascending
  std::vector<uint32_t> next;     // [experts] scratch of the grouping
};

// cos and sin per token of a step, [tokens, rotary_dim / 2] each.
struct RopeTable {
  std::vector<float> inverse_frequencies;
  std::vector<float> cosines;
  std::vector<float> sines;
};

// A matrix and where its product with the rows of a step goes.
struct Product {
  const MatrixView* weights = nullptr;
  float* out = nullptr;  // [tokens, out_stride]
  size_t out_stride = 0;
};

struct ThreadScratch {
  AlignedScratch attention;        // of the attention kernel, AttentionPlan::ScratchFloats
  AlignedScratch partials[2];      // AttentionPlan::PartialFloats of a whole block
  AlignedScratch panel;            // PanelScratchBytes of the widest input
  Scratch<float> tile;             // [slots of one expert, kRowsPerTask]
  std::vector<const float*> rows;  // [slots of one expert]
  std::vector<KeySpan> spans;
};

// Sized at creation for tokens_per_step_max; nothing is allocated in a step, except what grows to its largest
// size once: spans, logits, and partial results of attention with the context.
struct ForwardStep {
  const ModelConfig* config = nullptr;
  const Kernels* kernels = nullptr;
  ThreadPool* pool = nullptr;
  MatMulObserver* observer = nullptr;

  Batch batch;
  uint32_t num_tokens = 0;
  std::vector<TokenPlace> places;  // [num_tokens]

  RowBuffer x;                          // residual stream [tokens, hidden_size]
  RowBuffer normed;                     // input of the next product
  RowBuffer hidden;                     // trunk output after its norm
  RowBuffer mtp_input;                  // [tokens, 2 * hidden_size]
  RowBuffer qkv;                        // [tokens, widest qkv]
  RowBuffer queries;                    // [tokens, heads * head_dim], heads in order
  RowBuffer attention;                  // [tokens, heads * v_head_dim]
  RowBuffer projected;                  // [tokens, hidden_size]
  RowBuffer router;                     // [tokens, experts]
  Scratch<float> expert_hidden;         // [slots, moe_intermediate_size] or [tokens, intermediate_size]
  std::vector<const float*> slot_rows;  // [slots] input row of each slot
  std::vector<uint32_t> chosen;         // [tokens, num_experts_per_tok]
  std::vector<float> chosen_weights;    // [tokens, num_experts_per_tok]
  ExpertRouting routing;
  AttentionPlan attention_plan;
  AlignedScratch piece_partials;  // [pieces, kv_heads] of a layer whose pieces are tasks of their own
  size_t piece_partials_bytes = 0;
  Scratch<std::byte> window_k;  // keys of this step for sliding layers, [kv_heads, tokens, head_dim]
  Scratch<std::byte> window_v;
  RopeTable full_rope;
  RopeTable sliding_rope;
  std::vector<ThreadScratch> threads;
  std::vector<float> logits;  // [rows wanted, vocab_size]
  // By form, because two matrices of different types may read the same rows in one loop. Those of kFloat32
  // stay empty.
  RowQuantizer quantizers[kNumRowForms];
  std::vector<QuantizedRow> quantized_slots[kNumRowForms];  // [slots] input row of each slot

  // The rows as the kernels read them for weights of this type; null where that is float32. Valid until the
  // next call for a type of the same form.
  const QuantizedRow* Quantize(const MatrixView& weights, std::span<const float* const> rows);
  // The same for the rows of `normed`, one for each slot of the routing.
  const QuantizedRow* QuantizeSlots(const MatrixView& weights);

  // out[t * out_stride + r] = (weights . x_rows[t])[r] for each t and product, in parallel slices of
  // kRowsPerTask rows of all of them.
  void MatMul(std::span<const Product> products, std::span<const float* const> x_rows);
  void MatMul(const MatrixView& weights, std::span<const float* const> x_rows, float* out,
              size_t out_stride) {
    const Product product = {&weights, out, out_stride};
    MatMul({&product, 1}, x_rows);
  }
  // The same for every token of the step, into the rows of `out`.
  void MatMul(const MatrixView& weights, const RowBuffer& rows, RowBuffer* out) {
    MatMul(weights, {rows.pointers(), num_tokens}, out->row(0), out->row_size());
  }
  // normed[t] = RmsNorm(x[t]).
  void Norm(RowBuffer& from, std::span<const float> weight, RowBuffer* to) const;
};

// x += o_proj . attention(normed); keys and values of the new tokens go to layer `layer_index` of `kv`.
void AttentionLayer(ForwardStep& step, const AttentionWeights& weights, uint32_t layer_index, KvStorage& kv);

// x += down(silu(gate . normed) * (up . normed)).
void DenseLayer(ForwardStep& step, const MlpWeights& weights);

// x += sum over the chosen experts of weight * expert(normed).
void SparseLayer(ForwardStep& step, const MoeWeights& weights);

}  // namespace mimo
