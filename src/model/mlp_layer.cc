// Dense and sparse MLPs. A dense MLP is one expert that every token goes to with weight 1, so both run the
// same loops:
//
//   1. for each active expert and slice of its rows: hidden = silu(gate . x) * (up . x), for all its tokens
//   at once
//   2. for each slice of output rows: x += sum over the active experts, ascending, of weight * (down .
//   hidden)
//
// Each expert's weights are read once per step whatever the number of tokens, and a token's sum runs over its
// experts in ascending order whoever else is in the step.

#include <algorithm>
#include <numeric>

#include "kernels/router.h"
#include "model/forward_step.h"

namespace mimo {
namespace {

class ExpertStep {
 public:
  ExpertStep(ForwardStep& step, std::span<const MlpWeights> experts)
      : step_(step), experts_(experts), intermediate_(experts.front().gate_proj.rows) {}

  void Run() {
    const ExpertRouting& routing = step_.routing;
    for (size_t slot = 0; slot < routing.tokens.size(); ++slot) {
      step_.slot_rows[slot] = step_.normed.pointers()[routing.tokens[slot]];
    }
    if (step_.observer != nullptr) ObserveGateAndUp();
    gate_rows_ = step_.QuantizeSlots(experts_.front().gate_proj);
    const bool same_type = experts_.front().up_proj.type == experts_.front().gate_proj.type;
    up_rows_ = same_type ? gate_rows_ : step_.QuantizeSlots(experts_.front().up_proj);
    const uint32_t slices = (intermediate_ + kRowsPerTask - 1) / kRowsPerTask;
    const auto num_active = static_cast<uint32_t>(routing.active.size());
    step_.pool->ParallelFor(num_active * slices, [&](uint32_t task, uint32_t thread) {
      GateAndUp(routing.active[task / slices], task % slices * kRowsPerTask, step_.threads[thread]);
    });
    if (step_.observer != nullptr) ObserveDown();
    hidden_rows_ = QuantizeHidden();
    const uint32_t out_slices = (step_.config->hidden_size + kRowsPerTask - 1) / kRowsPerTask;
    step_.pool->ParallelFor(out_slices, [&](uint32_t task, uint32_t thread) {
      Down(task * kRowsPerTask, step_.threads[thread]);
    });
  }

 private:
  uint32_t SlotBegin(uint32_t expert) const { return step_.routing.offsets[expert]; }
  uint32_t NumSlots(uint32_t expert) const {
    return step_.routing.offsets[expert + 1] - step_.routing.offsets[expert];
  }
  float* Hidden(uint32_t slot) { return step_.expert_hidden.get() + size_t{slot} * intermediate_; }

  void ObserveGateAndUp() const {
    for (const uint32_t expert : step_.routing.active) {
      const std::span<const float* const> rows = {step_.slot_rows.data() + SlotBegin(expert),
                                                  NumSlots(expert)};
      step_.observer->Observe(experts_[expert].gate_proj, rows);
      step_.observer->Observe(experts_[expert].up_proj, rows);
    }
  }

  void ObserveDown() {
    for (const uint32_t expert : step_.routing.active) {
      step_.observer->Observe(experts_[expert].down_proj, HiddenRows(expert, step_.threads.front()));
    }
  }

  // Pointers to the hidden rows of an expert's slots, in `scratch`.
  std::span<const float* const> HiddenRows(uint32_t expert, ThreadScratch& scratch) {
    scratch.rows.clear();
    for (uint32_t i = 0; i < NumSlots(expert); ++i) scratch.rows.push_back(Hidden(SlotBegin(expert) + i));
    return scratch.rows;
  }

  void GateAndUp(uint32_t expert, uint32_t row_begin, ThreadScratch& scratch) {
    const uint32_t row_end = std::min(intermediate_, row_begin + kRowsPerTask);
    const uint32_t slot_begin = SlotBegin(expert);
    MatMulArgs args = {.weights = &experts_[expert].gate_proj,
                       .x_rows = step_.slot_rows.data() + slot_begin,
                       .quantized_rows = At(gate_rows_, slot_begin),
                       .panel_scratch = scratch.panel.get(),
                       .num_tokens = NumSlots(expert),
                       .row_begin = row_begin,
                       .row_end = row_end,
                       .out = Hidden(slot_begin) + row_begin,
                       .out_stride = intermediate_};
    step_.kernels->matmul(args);
    args.weights = &experts_[expert].up_proj;
    args.quantized_rows = At(up_rows_, slot_begin);
    args.out = scratch.tile.get();
    args.out_stride = kRowsPerTask;
    step_.kernels->matmul(args);
    for (uint32_t i = 0; i < args.num_tokens; ++i) {
      step_.kernels->silu_multiply(Hidden(slot_begin + i) + row_begin,
                                   scratch.tile.get() + size_t{i} * kRowsPerTask, row_end - row_begin);
    }
  }

  void Down(uint32_t row_begin, ThreadScratch& scratch) {
    const uint32_t row_end = std::min(step_.config->hidden_size, row_begin + kRowsPerTask);
    for (uint32_t token = 0; token < step_.num_tokens; ++token) {
      std::fill(step_.projected.row(token) + row_begin, step_.projected.row(token) + row_end, 0.0F);
    }
    for (const uint32_t expert : step_.routing.active) AddExpert(expert, row_begin, row_end, scratch);
    for (uint32_t token = 0; token < step_.num_tokens; ++token) {
      step_.kernels->add_scaled(step_.projected.row(token) + row_begin, 1.0F, row_end - row_begin,
                                step_.x.row(token) + row_begin);
    }
  }

  void AddExpert(uint32_t expert, uint32_t row_begin, uint32_t row_end, ThreadScratch& scratch) {
    const uint32_t slot_begin = SlotBegin(expert);
    step_.kernels->matmul({.weights = &experts_[expert].down_proj,
                           .x_rows = HiddenRows(expert, scratch).data(),
                           .quantized_rows = At(hidden_rows_, slot_begin),
                           .panel_scratch = scratch.panel.get(),
                           .num_tokens = NumSlots(expert),
                           .row_begin = row_begin,
                           .row_end = row_end,
                           .out = scratch.tile.get(),
                           .out_stride = kRowsPerTask});
    for (uint32_t i = 0; i < NumSlots(expert); ++i) {
      float* const sum = step_.projected.row(step_.routing.tokens[slot_begin + i]) + row_begin;
      step_.kernels->add_scaled(scratch.tile.get() + size_t{i} * kRowsPerTask,
                                step_.routing.weights[slot_begin + i], row_end - row_begin, sum);
    }
  }

  // Experts of a layer are of one type in each projection: slices of one tensor, or stored alike.
  const QuantizedRow* QuantizeHidden() {
    for (uint32_t slot = 0; slot < step_.routing.tokens.size(); ++slot) step_.slot_rows[slot] = Hidden(slot);
    return step_.Quantize(experts_.front().down_proj, {step_.slot_rows.data(), step_.routing.tokens.size()});
  }

  static const QuantizedRow* At(const QuantizedRow* rows, uint32_t slot) {
    return rows == nullptr ? nullptr : rows + slot;
  }

  ForwardStep& step_;
  std::span<const MlpWeights> experts_;
  const uint32_t intermediate_;
  // [slots], or null where the kernels read float32.
  const QuantizedRow* gate_rows_ = nullptr;
  const QuantizedRow* up_rows_ = nullptr;
  const QuantizedRow* hidden_rows_ = nullptr;
};

// Groups (token, expert, weight) by expert: a counting sort, which keeps tokens in ascending order.
void GroupByExpert(const ForwardStep& step, uint32_t num_experts, ExpertRouting* routing) {
  const uint32_t per_token = step.config->num_experts_per_tok;
  const uint32_t num_slots = step.num_tokens * per_token;
  routing->offsets.assign(num_experts + 1, 0);
  for (uint32_t i = 0; i < num_slots; ++i) ++routing->offsets[step.chosen[i] + 1];
  routing->active.clear();
  for (uint32_t expert = 0; expert < num_experts; ++expert) {
    if (routing->offsets[expert + 1] > 0) routing->active.push_back(expert);
  }
  std::partial_sum(routing->offsets.begin(), routing->offsets.end(), routing->offsets.begin());
  routing->tokens.resize(num_slots);
  routing->weights.resize(num_slots);
  std::vector<uint32_t>& next = routing->next;
  next.assign(routing->offsets.begin(), routing->offsets.end() - 1);
  for (uint32_t i = 0; i < num_slots; ++i) {
    const uint32_t slot = next[step.chosen[i]]++;
    routing->tokens[slot] = i / per_token;
    routing->weights[slot] = step.chosen_weights[i];
  }
}

}  // namespace

void DenseLayer(ForwardStep& step, const MlpWeights& weights) {
  step.routing.offsets.assign({0, step.num_tokens});
  step.routing.active.assign({0});
  step.routing.tokens.resize(step.num_tokens);
  std::iota(step.routing.tokens.begin(), step.routing.tokens.end(), 0U);
  step.routing.weights.assign(step.num_tokens, 1.0F);
  ExpertStep(step, {&weights, 1}).Run();
}

void SparseLayer(ForwardStep& step, const MoeWeights& weights) {
  const uint32_t num_experts = step.config->n_routed_experts;
  const uint32_t per_token = step.config->num_experts_per_tok;
  step.MatMul(weights.router, step.normed, &step.router);
  const RouterOptions options = {.num_experts_per_tok = per_token,
                                 .norm_topk_prob = step.config->norm_topk_prob,
                                 .routed_scaling_factor = step.config->routed_scaling_factor};
  step.pool->ParallelFor(step.num_tokens, [&](uint32_t token, uint32_t) {
    const size_t first = size_t{token} * per_token;
    SelectExperts({step.router.row(token), num_experts}, weights.e_score_correction_bias, options,
                  {step.chosen.data() + first, per_token}, {step.chosen_weights.data() + first, per_token});
  });
  GroupByExpert(step, num_experts, &step.routing);
  ExpertStep(step, weights.experts).Run();
}

}  // namespace mimo
