#include "train/plain_layers.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace mimo {
namespace {

using torch::Tensor;

// Rotates the pairs (j, j + half) of the leading dimensions; x [sequences, length, heads, head_dim].
Tensor Rotate(const Tensor& x, const RopeTables& rope, const Tensor& positions) {
  const int64_t half = rope.cosines.size(1);
  const Tensor cosines = rope.cosines.index({positions}).unsqueeze(2);
  const Tensor sines = rope.sines.index({positions}).unsqueeze(2);
  const Tensor a = x.narrow(3, 0, half);
  const Tensor b = x.narrow(3, half, half);
  const Tensor rest = x.narrow(3, 2 * half, x.size(3) - 2 * half);
  return torch::cat({a * cosines - b * sines, b * cosines + a * sines, rest}, 3);
}

// How the keys of a row are cut: queries in blocks, each with the keys of its own block and, where a window
// reaches back, of the one before. So a window costs two blocks of keys for each query, whatever the length.
struct Blocks {
  int64_t size = 0;
  int64_t count = 0;
  bool has_previous = false;
};

Blocks CutBlocks(int64_t length, int64_t window) {
  if (window == 0 || window >= length) return {.size = length, .count = 1, .has_previous = false};
  return {.size = window, .count = (length + window - 1) / window, .has_previous = true};
}

// [sequences, length, ...] -> [sequences, count, size, ...], padded with zeros.
Tensor ToBlocks(const Tensor& x, const Blocks& blocks) {
  const int64_t padding = blocks.count * blocks.size - x.size(1);
  Tensor padded = x;
  if (padding > 0) {
    std::vector<int64_t> shape = x.sizes().vec();
    shape[1] = padding;
    padded = torch::cat({x, torch::zeros(shape, x.options())}, 1);
  }
  return padded.unflatten(1, {blocks.count, blocks.size});
}

// Puts the block before in front of each block.
Tensor WithPrevious(const Tensor& x, const Blocks& blocks) {
  if (!blocks.has_previous) return x;
  const Tensor previous =
      torch::cat({torch::zeros_like(x.narrow(1, 0, 1)), x.narrow(1, 0, blocks.count - 1)}, 1);
  return torch::cat({previous, x}, 2);
}

// True where the query may see the key: [sequences, count, size, keys of a block].
Tensor Visible(const Tensor& positions, const Blocks& blocks, int64_t window) {
  const auto options = positions.options();
  const int64_t num_keys = blocks.has_previous ? 2 * blocks.size : blocks.size;
  const Tensor query = torch::arange(num_keys - blocks.size, num_keys, options).unsqueeze(1);
  const Tensor distance = query - torch::arange(num_keys, options).unsqueeze(0);
  Tensor reach = ToBlocks(positions, blocks).unsqueeze(3);
  if (window > 0) reach = reach.clamp_max(window - 1);
  return distance.ge(0).logical_and(distance.le(reach));
}

// Of s sequences of l tokens.
struct Heads {
  Tensor q;  // [s, l, q heads, d]
  Tensor k;  // [s, l, kv heads, d]
  Tensor v;  // [s, l, kv heads, dv]
};

// sinks [q heads] or undefined, positions [s, l] -> [s, l, q heads * dv].
Tensor Attend(const Heads& heads, const Tensor& sinks, const Tensor& positions, int64_t window) {
  const auto& [q, k, v] = heads;
  const int64_t groups = k.size(2);
  const int64_t per_group = q.size(2) / groups;
  const Blocks blocks = CutBlocks(q.size(1), window);
  // [s, blocks, groups, heads of the group, queries, d]
  const Tensor queries = ToBlocks(q, blocks).unflatten(3, {groups, per_group}).permute({0, 1, 3, 4, 2, 5});
  const Tensor keys = WithPrevious(ToBlocks(k, blocks), blocks).permute({0, 1, 3, 4, 2}).unsqueeze(3);
  const Tensor values = WithPrevious(ToBlocks(v, blocks), blocks).permute({0, 1, 3, 2, 4}).unsqueeze(3);
  Tensor scores = torch::matmul(queries, keys) / std::sqrt(static_cast<double>(q.size(3)));
  const Tensor visible = Visible(positions, blocks, window).unsqueeze(2).unsqueeze(2);
  scores = scores.masked_fill(visible.logical_not(), -std::numeric_limits<double>::infinity());
  if (sinks.defined()) {
    std::vector<int64_t> shape = scores.sizes().vec();
    shape.back() = 1;
    const Tensor column = sinks.view({1, 1, groups, per_group, 1, 1}).expand(shape);
    scores = torch::cat({scores, column}, -1);
  }
  Tensor weights = torch::softmax(scores, -1);
  if (sinks.defined()) weights = weights.narrow(-1, 0, weights.size(-1) - 1);
  // [s, blocks, groups, heads, queries, dv] -> [s, l, heads * dv]
  const Tensor out = torch::matmul(weights, values).permute({0, 1, 4, 2, 3, 5});
  return out.flatten(3).flatten(1, 2).narrow(1, 0, q.size(1));
}

Tensor SwiGlu(const Tensor& gate_up) {
  const std::vector<Tensor> halves = gate_up.chunk(2, -1);
  return torch::silu(halves[0]) * halves[1];
}

// The tokens of each expert, side by side: slot i is token tokens[i] with weights[i].
struct Slots {
  Tensor tokens;   // int64 [slots]
  Tensor weights;  // [slots]
  Tensor loads;    // int64 [experts], on the CPU
};

Slots Route(const Tensor& x, const MoeParameters& parameters, const ModelConfig& config) {
  const int64_t per_token = config.num_experts_per_tok;
  const Tensor scores = torch::sigmoid(torch::matmul(x, parameters.router.t()));
  const Tensor choice = scores.detach() + parameters.choice_bias;
  const Tensor chosen = std::get<1>(choice.topk(per_token, -1));
  Tensor weights = scores.gather(1, chosen);
  if (config.norm_topk_prob) weights = weights / (weights.sum(1, true) + 1e-20);
  weights = weights * config.routed_scaling_factor;
  const Tensor flat = chosen.flatten();
  const Tensor order = flat.argsort();
  return {.tokens = order.div(per_token, "floor"),
          .weights = weights.flatten().index_select(0, order),
          .loads = flat.bincount({}, parameters.router.size(0)).cpu()};
}

}  // namespace

Tensor PlainRmsNorm(const Tensor& x, const Tensor& weight, double epsilon) {
  return x * torch::rsqrt(x.square().mean(-1, true) + epsilon) * weight;
}

Tensor PlainAttentionLayer(const Tensor& x, const AttentionParameters& parameters,
                           const AttentionGeometry& geometry, const LayerContext& context) {
  const int64_t heads = geometry.num_attention_heads;
  const int64_t groups = geometry.num_key_value_heads;
  const int64_t head_dim = geometry.head_dim;
  const int64_t v_head_dim = geometry.v_head_dim;
  const Tensor normed = PlainRmsNorm(x, parameters.norm, context.config->layernorm_epsilon);
  const std::vector<Tensor> qkv =
      torch::matmul(normed, parameters.qkv.t())
          .split_with_sizes({heads * head_dim, groups * head_dim, groups * v_head_dim}, -1);
  const RopeTables& rope = context.Rope(geometry);
  const Tensor q = Rotate(qkv[0].unflatten(2, {heads, head_dim}), rope, context.positions);
  const Tensor k = Rotate(qkv[1].unflatten(2, {groups, head_dim}), rope, context.positions);
  const Tensor v = qkv[2].unflatten(2, {groups, v_head_dim}) * context.config->attention_value_scale;
  const Tensor out = Attend({q, k, v}, parameters.sinks, context.positions, geometry.window);
  return x + torch::matmul(out, parameters.o.t());
}

Tensor PlainMlpLayer(const Tensor& x, const MlpParameters& parameters, const LayerContext& context) {
  const Tensor normed = PlainRmsNorm(x, parameters.norm, context.config->layernorm_epsilon);
  const Tensor hidden = SwiGlu(torch::matmul(normed, parameters.gate_up.t()));
  return x + torch::matmul(hidden, parameters.down.t());
}

Tensor PlainMoeLayer(const Tensor& x, MoeParameters& parameters, const LayerContext& context) {
  const Tensor normed = PlainRmsNorm(x, parameters.norm, context.config->layernorm_epsilon).flatten(0, 1);
  const Slots slots = Route(normed, parameters, *context.config);
  parameters.expert_loads.copy_(slots.loads);
  const Tensor inputs = normed.index_select(0, slots.tokens);
  std::vector<Tensor> outputs;
  int64_t begin = 0;
  for (int64_t expert = 0; expert < slots.loads.size(0); ++expert) {
    const int64_t count = slots.loads.data_ptr<int64_t>()[expert];
    const Tensor hidden =
        SwiGlu(torch::matmul(inputs.narrow(0, begin, count), parameters.gate_up[expert].t()));
    outputs.push_back(torch::matmul(hidden, parameters.down[expert].t()));
    begin += count;
  }
  const Tensor weighted = torch::cat(outputs) * slots.weights.unsqueeze(1);
  return x + torch::zeros_like(normed).index_add(0, slots.tokens, weighted).view_as(x);
}

Tensor PlainHeadLoss(const Tensor& hidden, const Tensor& head, const Tensor& targets) {
  return torch::cross_entropy_loss(torch::matmul(hidden, head.t()), targets);
}

}  // namespace mimo
