#include "train/fused_layers.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "base/check.h"
#include "kernels/rope.h"
#include "kernels/router.h"
#include "train/bf16_gemm.h"
#include "train/fused_loops.h"

namespace mimo {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Rows that go through an expert together: their activations stay in the second-level cache.
constexpr int64_t kExpertRows = 1024;
// Rows of logits that exist at a time.
constexpr int64_t kHeadRows = 240;

const FusedLoops& Loops() {
  const FusedLoops* const loops = FindFusedLoops();
  MIMO_CHECK(loops != nullptr);
  return *loops;
}

float* Floats(const Tensor& tensor) { return tensor.data_ptr<float>(); }
const int64_t* Integers(const Tensor& tensor) { return tensor.data_ptr<int64_t>(); }

// Matrix products at the precision of a pass.
class Matrices {
 public:
  explicit Matrices(MatrixPrecision precision)
      : bf16_(precision == MatrixPrecision::kBfloat16 && Bf16GemmSupported()) {}

  // out = a b
  void Multiply(const Tensor& a, const Tensor& b, Tensor out) const {
    if (bf16_) {
      RunBf16(a, b, out, GemmOutput::kOverwrite);
    } else {
      at::mm_out(out, a, b);
    }
  }
  // out += a b
  void MultiplyAdd(const Tensor& a, const Tensor& b, Tensor out) const {
    if (bf16_) {
      RunBf16(a, b, out, GemmOutput::kAdd);
    } else {
      at::addmm_out(out, out, a, b);
    }
  }
  Tensor Multiply(const Tensor& a, const Tensor& b) const {
    Tensor out = torch::empty({a.size(0), b.size(1)});
    Multiply(a, b, out);
    return out;
  }

 private:
  static GemmOperand Operand(const Tensor& x) { return {Floats(x), x.stride(0), x.stride(1)}; }

  static void RunBf16(const Tensor& a, const Tensor& b, const Tensor& out, GemmOutput output) {
    Bf16Gemm({.a = Operand(a),
              .b = Operand(b),
              .c = Floats(out),
              .c_stride = out.stride(0),
              .rows = a.size(0),
              .columns = b.size(1),
              .depth = a.size(1),
              .output = output});
  }

  bool bf16_;
};

// How a precision is kept for the backward pass.
constexpr const char* kPrecision = "bf16";
void Save(MatrixPrecision precision, AutogradContext* context) {
  context->saved_data[kPrecision] = precision == MatrixPrecision::kBfloat16;
}
Matrices SavedMatrices(AutogradContext* context) {
  return Matrices(context->saved_data[kPrecision].toBool() ? MatrixPrecision::kBfloat16
                                                           : MatrixPrecision::kFloat32);
}

// The norm in front of a layer, and what its gradient needs.
struct Normed {
  Tensor values;       // [rows, hidden_size]
  Tensor inverse_rms;  // [rows]
};

Normed Norm(const Tensor& x, const Tensor& weight, double epsilon) {
  const int64_t size = weight.size(0);
  const int64_t rows = x.numel() / size;
  Normed normed = {.values = torch::empty({rows, size}), .inverse_rms = torch::empty({rows})};
  Loops().rms_norm({.x = Floats(x),
                    .weight = Floats(weight),
                    .epsilon = static_cast<float>(epsilon),
                    .out = Floats(normed.values),
                    .inverse_rms = Floats(normed.inverse_rms)},
                   rows, size);
  return normed;
}

// The gradient of x, in the place of `gradient`, which is that of the norm's output; `residual` (or null) is
// added. Returns the gradient of the weight.
Tensor NormBackward(const Tensor& x, const Tensor& weight, const Tensor& inverse_rms, const Tensor& gradient,
                    const float* residual) {
  const Tensor weight_gradient = torch::zeros_like(weight);
  Loops().rms_norm_backward({.x = Floats(x),
                             .weight = Floats(weight),
                             .inverse_rms = Floats(inverse_rms),
                             .out_gradient = Floats(gradient),
                             .residual_gradient = residual,
                             .x_gradient = Floats(gradient),
                             .weight_gradient = Floats(weight_gradient)},
                            inverse_rms.size(0), weight.size(0));
  return weight_gradient;
}

struct RmsNormFunction : Function<RmsNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, double epsilon) {
    const Normed normed = Norm(x, weight, epsilon);
    context->save_for_backward({x, weight, normed.inverse_rms});
    return normed.values.view_as(x);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor gradient = gradients[0].contiguous().clone();
    const Tensor weight_gradient = NormBackward(saved[0], saved[1], saved[2], gradient, nullptr);
    return {gradient, weight_gradient, Tensor()};
  }
};

// Attention.

std::vector<int64_t> ToList(const AttentionShape& shape) {
  return {shape.length,   shape.width,      shape.num_heads, shape.num_kv_heads,
          shape.head_dim, shape.v_head_dim, shape.window};
}
AttentionShape FromList(const std::vector<int64_t>& list) {
  return {.length = list[0],
          .width = list[1],
          .num_heads = list[2],
          .num_kv_heads = list[3],
          .head_dim = list[4],
          .v_head_dim = list[5],
          .window = list[6]};
}

// Rotates q and k and scales v of every row. With the opposite sines it turns the gradient of the results
// into that of the inputs.
void RotateRows(const AttentionShape& shape, const Tensor& positions, const RopeTables& rope,
                float value_scale, const Tensor& qkv) {
  const int64_t half = rope.cosines.size(1);
  const int64_t num_rotated = shape.num_heads + shape.num_kv_heads;
  const int64_t* const position = Integers(positions);
  for (int64_t row = 0; row < qkv.size(0); ++row) {
    float* const values = Floats(qkv) + row * shape.width;
    const int64_t angle = position[row] * half;
    for (int64_t head = 0; head < num_rotated; ++head) {
      RotateHead(values + head * shape.head_dim, Floats(rope.cosines) + angle, Floats(rope.sines) + angle,
                 static_cast<uint32_t>(half));
    }
    for (int64_t i = num_rotated * shape.head_dim; i < shape.width; ++i) values[i] *= value_scale;
  }
}

struct AttentionSettings {
  AttentionShape shape;
  const LayerContext* layers;
  const RopeTables* rope;
};

struct AttentionFunction : Function<AttentionFunction> {
  // sinks: empty for none, because an input of a function must be defined.
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& norm,
                        const Tensor& qkv_weight, const Tensor& o_weight, const Tensor& sinks,
                        const AttentionSettings& settings) {
    const AttentionShape& shape = settings.shape;
    const LayerContext& layers = *settings.layers;
    const RopeTables& rope = *settings.rope;
    const Normed normed = Norm(x, norm, layers.config->layernorm_epsilon);
    const Matrices matrices(layers.precision);
    const Tensor qkv = matrices.Multiply(normed.values, qkv_weight.t());
    const float value_scale = layers.config->attention_value_scale;
    RotateRows(shape, layers.positions, rope, value_scale, qkv);
    const Tensor out = torch::empty({qkv.size(0), shape.num_heads * shape.v_head_dim});
    const Tensor log_sums = torch::empty({qkv.size(0), shape.num_heads});
    const Tensor scratch = torch::empty({AttentionScratchFloats(shape)});
    for (int64_t row = 0; row < qkv.size(0); row += shape.length) {
      Loops().attention({.qkv = Floats(qkv) + row * shape.width,
                         .positions = Integers(layers.positions) + row,
                         .sinks = sinks.numel() > 0 ? Floats(sinks) : nullptr,
                         .out = Floats(out) + row * out.size(1),
                         .log_sums = Floats(log_sums) + row * shape.num_heads,
                         .scratch = Floats(scratch)},
                        shape);
    }
    context->save_for_backward({x, norm, qkv_weight, o_weight, sinks, normed.values, normed.inverse_rms, qkv,
                                out, log_sums, layers.positions, rope.cosines, rope.sines});
    Save(layers.precision, context);
    context->saved_data["shape"] = ToList(shape);
    context->saved_data["value_scale"] = static_cast<double>(value_scale);
    const Tensor result = x.view({-1, x.size(-1)}).clone();
    matrices.MultiplyAdd(out, o_weight.t(), result);
    return result.view_as(x);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto [x, norm, qkv_weight, o_weight] = std::tie(saved[0], saved[1], saved[2], saved[3]);
    const auto [sinks, normed, inverse_rms, qkv] = std::tie(saved[4], saved[5], saved[6], saved[7]);
    const auto [out, log_sums, positions] = std::tie(saved[8], saved[9], saved[10]);
    const AttentionShape shape = FromList(context->saved_data["shape"].toIntVector());
    const Tensor gradient = gradients[0].contiguous().view({-1, x.size(-1)});

    const Matrices matrices = SavedMatrices(context);
    const Tensor out_gradient = matrices.Multiply(gradient, o_weight);
    const Tensor o_gradient = matrices.Multiply(gradient.t(), out);
    const Tensor qkv_gradient = torch::empty_like(qkv);
    const Tensor sinks_gradient = sinks.numel() > 0 ? torch::zeros_like(sinks) : Tensor();
    const Tensor scratch = torch::empty({AttentionScratchFloats(shape)});
    for (int64_t row = 0; row < qkv.size(0); row += shape.length) {
      Loops().attention_backward({.qkv = Floats(qkv) + row * shape.width,
                                  .positions = Integers(positions) + row,
                                  .sinks = sinks.numel() > 0 ? Floats(sinks) : nullptr,
                                  .out = Floats(out) + row * out.size(1),
                                  .log_sums = Floats(log_sums) + row * shape.num_heads,
                                  .out_gradient = Floats(out_gradient) + row * out.size(1),
                                  .qkv_gradient = Floats(qkv_gradient) + row * shape.width,
                                  .sinks_gradient = sinks.numel() > 0 ? Floats(sinks_gradient) : nullptr,
                                  .scratch = Floats(scratch)},
                                 shape);
    }
    RotateRows(shape, positions, {.cosines = saved[11], .sines = -saved[12]},
               static_cast<float>(context->saved_data["value_scale"].toDouble()), qkv_gradient);
    const Tensor qkv_weight_gradient = matrices.Multiply(qkv_gradient.t(), normed);
    const Tensor x_gradient = matrices.Multiply(qkv_gradient, qkv_weight);
    const Tensor norm_gradient = NormBackward(x, norm, inverse_rms, x_gradient, Floats(gradient));
    return {x_gradient.view_as(gradients[0]),
            norm_gradient,
            qkv_weight_gradient,
            o_gradient,
            sinks_gradient,
            Tensor()};
  }
};

// Dense MLP.

struct MlpFunction : Function<MlpFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& norm, const Tensor& gate_up,
                        const Tensor& down, const LayerContext& layers) {
    const Normed normed = Norm(x, norm, layers.config->layernorm_epsilon);
    const Matrices matrices(layers.precision);
    Save(layers.precision, context);
    const Tensor activations = matrices.Multiply(normed.values, gate_up.t());
    const Tensor hidden = torch::empty({activations.size(0), down.size(1)});
    Loops().swiglu(Floats(activations), hidden.size(0), hidden.size(1), Floats(hidden));
    context->save_for_backward({x, norm, gate_up, down, normed.values, normed.inverse_rms, activations});
    const Tensor result = x.view({-1, x.size(-1)}).clone();
    matrices.MultiplyAdd(hidden, down.t(), result);
    return result.view_as(x);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto [x, norm, gate_up, down] = std::tie(saved[0], saved[1], saved[2], saved[3]);
    const auto [normed, inverse_rms, activations] = std::tie(saved[4], saved[5], saved[6]);
    const Tensor gradient = gradients[0].contiguous().view({-1, x.size(-1)});
    const Matrices matrices = SavedMatrices(context);
    const Tensor hidden_gradient = matrices.Multiply(gradient, down);
    const Tensor hidden = torch::empty_like(hidden_gradient);
    const Tensor activation_gradients = torch::empty_like(activations);
    Loops().swiglu_backward({.gate_up = Floats(activations),
                             .out_gradient = Floats(hidden_gradient),
                             .row_weights = nullptr,
                             .gate_up_gradient = Floats(activation_gradients),
                             .out = Floats(hidden),
                             .row_dots = nullptr},
                            hidden.size(0), hidden.size(1));
    const Tensor x_gradient = matrices.Multiply(activation_gradients, gate_up);
    const Tensor norm_gradient = NormBackward(x, norm, inverse_rms, x_gradient, Floats(gradient));
    return {x_gradient.view_as(gradients[0]), norm_gradient,
            matrices.Multiply(activation_gradients.t(), normed), matrices.Multiply(gradient.t(), hidden),
            Tensor()};
  }
};

// Experts.

// The choice of experts of every token, and the same sorted by expert.
struct Routing {
  Tensor scores;        // [tokens, experts], sigmoid of the logits
  Tensor chosen;        // int64 [tokens, per token]
  Tensor weights;       // [tokens, per token]
  Tensor slots;         // int64 [tokens, per token], where each choice stands in the sorted order
  Tensor slot_tokens;   // int64 [slots]
  Tensor slot_weights;  // [slots]
  Tensor loads;         // int64 [experts]
};

RouterOptions OptionsOf(const ModelConfig& config) {
  return {.num_experts_per_tok = config.num_experts_per_tok,
          .norm_topk_prob = config.norm_topk_prob,
          .routed_scaling_factor = config.routed_scaling_factor};
}

// Fills slots, slot_tokens, slot_weights and loads: a counting sort, tokens ascend within an expert.
void SortByExpert(Routing* routing) {
  const int64_t num_experts = routing->scores.size(1);
  const int64_t per_token = routing->chosen.size(1);
  const int64_t num_slots = routing->chosen.numel();
  const int64_t* const chosen = Integers(routing->chosen);
  auto* const loads = routing->loads.data_ptr<int64_t>();
  for (int64_t i = 0; i < num_slots; ++i) ++loads[chosen[i]];
  std::vector<int64_t> next(static_cast<size_t>(num_experts));
  std::exclusive_scan(loads, loads + num_experts, next.begin(), int64_t{0});
  for (int64_t i = 0; i < num_slots; ++i) {
    const int64_t slot = next[static_cast<size_t>(chosen[i])]++;
    routing->slots.data_ptr<int64_t>()[i] = slot;
    routing->slot_tokens.data_ptr<int64_t>()[slot] = i / per_token;
    Floats(routing->slot_weights)[slot] = Floats(routing->weights)[i];
  }
}

Routing Route(const Tensor& normed, const Tensor& router, const Tensor& choice_bias,
              const ModelConfig& config) {
  const RouterOptions options = OptionsOf(config);
  const int64_t num_tokens = normed.size(0);
  const auto num_experts = static_cast<size_t>(router.size(0));
  const size_t per_token = options.num_experts_per_tok;
  const std::vector<int64_t> choices = {num_tokens, static_cast<int64_t>(per_token)};
  Routing routing = {.scores = torch::mm(normed, router.t()),
                     .chosen = torch::empty(choices, torch::kInt64),
                     .weights = torch::empty(choices),
                     .slots = torch::empty(choices, torch::kInt64),
                     .slot_tokens = torch::empty({routing.chosen.numel()}, torch::kInt64),
                     .slot_weights = torch::empty({routing.chosen.numel()}),
                     .loads = torch::zeros({router.size(0)}, torch::kInt64)};
  std::vector<uint32_t> chosen(per_token);
  for (int64_t token = 0; token < num_tokens; ++token) {
    const auto at = static_cast<size_t>(token);
    SelectExperts({Floats(routing.scores) + at * num_experts, num_experts},
                  {Floats(choice_bias), num_experts}, options, chosen,
                  {Floats(routing.weights) + at * per_token, per_token});
    std::copy(chosen.begin(), chosen.end(), routing.chosen.data_ptr<int64_t>() + at * per_token);
  }
  SortByExpert(&routing);
  return routing;
}

// The gradient of the router's logits from that of each slot's weight. weight = s / (sum of s) * scale.
Tensor RouterGradient(const Routing& routing, const Tensor& slot_weight_gradients,
                      const RouterOptions& options) {
  const Tensor gradient = torch::zeros_like(routing.scores);
  const int64_t num_experts = routing.scores.size(1);
  const int64_t per_token = routing.chosen.size(1);
  const float scale = options.routed_scaling_factor;
  for (int64_t token = 0; token < routing.scores.size(0); ++token) {
    const float* const scores = Floats(routing.scores) + token * num_experts;
    const int64_t* const chosen = Integers(routing.chosen) + token * per_token;
    const int64_t* const slots = Integers(routing.slots) + token * per_token;
    float sum = 1e-20F;
    float dot = 0;
    for (int64_t i = 0; i < per_token; ++i) {
      sum += scores[chosen[i]];
      dot += scores[chosen[i]] * Floats(slot_weight_gradients)[slots[i]];
    }
    for (int64_t i = 0; i < per_token; ++i) {
      const float score = scores[chosen[i]];
      float score_gradient = scale * Floats(slot_weight_gradients)[slots[i]];
      if (options.norm_topk_prob) score_gradient = (score_gradient - scale * dot / sum) / sum;
      Floats(gradient)[token * num_experts + chosen[i]] = score_gradient * score * (1.0F - score);
    }
  }
  return gradient;
}

// Calls visit(expert, first slot, number of slots) for pieces of at most kExpertRows slots.
template <typename Visit>
void ForEachPiece(const Tensor& loads, const Visit& visit) {
  int64_t begin = 0;
  for (int64_t expert = 0; expert < loads.size(0); ++expert) {
    const int64_t end = begin + Integers(loads)[expert];
    for (; begin < end; begin += std::min(kExpertRows, end - begin)) {
      visit(expert, begin, std::min(kExpertRows, end - begin));
    }
  }
}

// Tensors of a pass through the experts that live for one piece at a time.
struct PieceBuffers {
  PieceBuffers(int64_t hidden_size, int64_t intermediate)
      : inputs(torch::empty({kExpertRows, hidden_size})),
        hidden(torch::empty({kExpertRows, intermediate})),
        outputs(torch::empty({kExpertRows, hidden_size})) {}
  Tensor inputs;
  Tensor hidden;
  Tensor outputs;
};

struct ExpertWeights {
  Tensor gate_up;  // [experts, 2 * intermediate, hidden_size]
  Tensor down;     // [experts, hidden_size, intermediate]
};

// What both directions need.
struct ExpertPass {
  Tensor normed;  // [tokens, hidden_size]
  const Routing* routing;
  ExpertWeights weights;
  Tensor activations;  // [slots, 2 * intermediate], products of gate_up, which the forward pass fills in
};

// out [tokens, hidden_size] += the experts' outputs
void ExpertsForward(const Matrices& matrices, const ExpertPass& pass, const Tensor& out) {
  const Routing& routing = *pass.routing;
  const int64_t hidden_size = pass.normed.size(1);
  const int64_t intermediate = pass.weights.down.size(2);
  const PieceBuffers buffers(hidden_size, intermediate);
  ForEachPiece(routing.loads, [&](int64_t expert, int64_t begin, int64_t count) {
    const int64_t* const tokens = Integers(routing.slot_tokens) + begin;
    const Tensor inputs = buffers.inputs.narrow(0, 0, count);
    const Tensor hidden = buffers.hidden.narrow(0, 0, count);
    const Tensor outputs = buffers.outputs.narrow(0, 0, count);
    const Tensor piece = pass.activations.narrow(0, begin, count);
    Loops().gather_rows(Floats(pass.normed), tokens, count, hidden_size, Floats(inputs));
    matrices.Multiply(inputs, pass.weights.gate_up[expert].t(), piece);
    Loops().swiglu(Floats(piece), count, intermediate, Floats(hidden));
    matrices.Multiply(hidden, pass.weights.down[expert].t(), outputs);
    Loops().scatter_add_rows({.x = Floats(outputs),
                              .indices = tokens,
                              .weights = Floats(routing.slot_weights) + begin,
                              .out = Floats(out)},
                             count, hidden_size);
  });
}

struct ExpertGradients {
  Tensor normed;        // [tokens, hidden_size] +=
  Tensor gate_up;       // +=
  Tensor down;          // +=
  Tensor slot_weights;  // [slots], overwritten
};

void ExpertsBackward(const Matrices& matrices, const ExpertPass& pass, const Tensor& gradient,
                     const ExpertGradients& gradients) {
  const Routing& routing = *pass.routing;
  const int64_t hidden_size = pass.normed.size(1);
  const int64_t intermediate = pass.weights.down.size(2);
  const PieceBuffers buffers(hidden_size, intermediate);
  const Tensor hidden_gradients = torch::empty({kExpertRows, intermediate});
  const Tensor activation_gradients = torch::empty({kExpertRows, 2 * intermediate});
  ForEachPiece(routing.loads, [&](int64_t expert, int64_t begin, int64_t count) {
    const int64_t* const tokens = Integers(routing.slot_tokens) + begin;
    const Tensor rows = buffers.inputs.narrow(0, 0, count);
    const Tensor hidden = buffers.hidden.narrow(0, 0, count);
    const Tensor hidden_gradient = hidden_gradients.narrow(0, 0, count);
    const Tensor activation_gradient = activation_gradients.narrow(0, 0, count);
    Loops().gather_rows(Floats(gradient), tokens, count, hidden_size, Floats(rows));
    matrices.Multiply(rows, pass.weights.down[expert], hidden_gradient);
    Loops().swiglu_backward({.gate_up = Floats(pass.activations) + begin * 2 * intermediate,
                             .out_gradient = Floats(hidden_gradient),
                             .row_weights = Floats(routing.slot_weights) + begin,
                             .gate_up_gradient = Floats(activation_gradient),
                             .out = Floats(hidden),
                             .row_dots = Floats(gradients.slot_weights) + begin},
                            count, intermediate);
    matrices.MultiplyAdd(rows.t(), hidden, gradients.down[expert]);
    Loops().gather_rows(Floats(pass.normed), tokens, count, hidden_size, Floats(rows));
    matrices.MultiplyAdd(activation_gradient.t(), rows, gradients.gate_up[expert]);
    const Tensor outputs = buffers.outputs.narrow(0, 0, count);
    matrices.Multiply(activation_gradient, pass.weights.gate_up[expert], outputs);
    Loops().scatter_add_rows(
        {.x = Floats(outputs), .indices = tokens, .weights = nullptr, .out = Floats(gradients.normed)}, count,
        hidden_size);
  });
}

struct MoeSettings {
  MoeParameters* parameters;  // its expert_loads are set
  const LayerContext* layers;
};

struct MoeFunction : Function<MoeFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& norm, const Tensor& router,
                        const Tensor& gate_up, const Tensor& down, const MoeSettings& settings) {
    const LayerContext& layers = *settings.layers;
    const ModelConfig* const config = layers.config;
    const Normed normed = Norm(x, norm, config->layernorm_epsilon);
    const Routing routing = Route(normed.values, router, settings.parameters->choice_bias, *config);
    settings.parameters->expert_loads = routing.loads;
    const Tensor activations = torch::empty({routing.slot_tokens.size(0), gate_up.size(1)});
    const Tensor out = x.clone();
    ExpertsForward(Matrices(layers.precision), {normed.values, &routing, {gate_up, down}, activations}, out);
    Save(layers.precision, context);
    context->save_for_backward({x, norm, router, gate_up, down, normed.values, normed.inverse_rms,
                                activations, routing.scores, routing.chosen, routing.weights, routing.slots,
                                routing.slot_tokens, routing.slot_weights, routing.loads});
    context->saved_data["norm_topk_prob"] = config->norm_topk_prob;
    context->saved_data["scale"] = static_cast<double>(config->routed_scaling_factor);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto [x, norm, router, gate_up, down] = std::tie(saved[0], saved[1], saved[2], saved[3], saved[4]);
    const auto [normed, inverse_rms, activations] = std::tie(saved[5], saved[6], saved[7]);
    const Routing routing = {.scores = saved[8],
                             .chosen = saved[9],
                             .weights = saved[10],
                             .slots = saved[11],
                             .slot_tokens = saved[12],
                             .slot_weights = saved[13],
                             .loads = saved[14]};
    const RouterOptions options = {
        .num_experts_per_tok = static_cast<uint32_t>(routing.chosen.size(1)),
        .norm_topk_prob = context->saved_data["norm_topk_prob"].toBool(),
        .routed_scaling_factor = static_cast<float>(context->saved_data["scale"].toDouble())};
    const Tensor gradient = gradients[0].contiguous().view({-1, x.size(-1)});
    const ExpertGradients parts = {.normed = torch::zeros_like(normed),
                                   .gate_up = torch::zeros_like(gate_up),
                                   .down = torch::zeros_like(down),
                                   .slot_weights = torch::empty_like(routing.slot_weights)};
    ExpertsBackward(SavedMatrices(context), {normed, &routing, {gate_up, down}, activations}, gradient,
                    parts);
    const Tensor logit_gradient = RouterGradient(routing, parts.slot_weights, options);
    parts.normed.addmm_(logit_gradient, router);
    const Tensor norm_gradient = NormBackward(x, norm, inverse_rms, parts.normed, Floats(gradient));
    return {parts.normed.view_as(gradients[0]),
            norm_gradient,
            torch::mm(logit_gradient.t(), normed),
            parts.gate_up,
            parts.down,
            Tensor()};
  }
};

struct HeadLossSettings {
  MatrixPrecision precision;
  bool hidden_wanted;  // the gradient of the hidden states
  bool head_wanted;    // the gradient of the head
};

// The head. Computes its gradients in the forward pass, a few rows at a time, so that logits never exist as a
// whole (Hsu et al., Liger Kernel, arXiv 2410.10989, section 3.2).
struct HeadLossFunction : Function<HeadLossFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& hidden, const Tensor& head,
                        const Tensor& targets, const HeadLossSettings& settings) {
    const Matrices matrices(settings.precision);
    const int64_t num_rows = hidden.size(0);
    const float scale = 1.0F / static_cast<float>(num_rows);
    const Tensor logits = torch::empty({std::min(kHeadRows, num_rows), head.size(0)});
    const Tensor hidden_gradient = settings.hidden_wanted ? torch::empty_like(hidden) : Tensor();
    const Tensor head_gradient = settings.head_wanted ? torch::zeros_like(head) : Tensor();
    double loss = 0;
    for (int64_t begin = 0; begin < num_rows; begin += kHeadRows) {
      const int64_t count = std::min(kHeadRows, num_rows - begin);
      const Tensor rows = hidden.narrow(0, begin, count);
      const Tensor piece = logits.narrow(0, 0, count);
      matrices.Multiply(rows, head.t(), piece);
      loss += Loops().cross_entropy(Floats(piece), Integers(targets) + begin, count, head.size(0), scale);
      if (settings.hidden_wanted) matrices.Multiply(piece, head, hidden_gradient.narrow(0, begin, count));
      if (settings.head_wanted) matrices.MultiplyAdd(piece.t(), rows, head_gradient);
    }
    context->save_for_backward({hidden_gradient, head_gradient});
    return torch::tensor(static_cast<float>(loss / static_cast<double>(num_rows)));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    return {saved[0].defined() ? saved[0] * gradients[0] : Tensor(),
            saved[1].defined() ? saved[1] * gradients[0] : Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

bool FusedLayersSupported() { return FindFusedLoops() != nullptr; }

Tensor FusedRmsNorm(const Tensor& x, const Tensor& weight, double epsilon) {
  return RmsNormFunction::apply(x.contiguous(), weight, epsilon);
}

Tensor FusedAttentionLayer(const Tensor& x, const AttentionParameters& parameters,
                           const AttentionGeometry& geometry, const LayerContext& context) {
  const AttentionShape shape = {.length = x.size(1),
                                .width = parameters.qkv.size(0),
                                .num_heads = geometry.num_attention_heads,
                                .num_kv_heads = geometry.num_key_value_heads,
                                .head_dim = geometry.head_dim,
                                .v_head_dim = geometry.v_head_dim,
                                .window = geometry.window};
  return AttentionFunction::apply(
      x.contiguous(), parameters.norm, parameters.qkv, parameters.o,
      parameters.sinks.defined() ? parameters.sinks : torch::empty({0}),
      AttentionSettings{.shape = shape, .layers = &context, .rope = &context.Rope(geometry)});
}

Tensor FusedMlpLayer(const Tensor& x, const MlpParameters& parameters, const LayerContext& context) {
  return MlpFunction::apply(x.contiguous(), parameters.norm, parameters.gate_up, parameters.down, context);
}

Tensor FusedMoeLayer(const Tensor& x, MoeParameters& parameters, const LayerContext& context) {
  return MoeFunction::apply(x.contiguous(), parameters.norm, parameters.router, parameters.gate_up,
                            parameters.down, MoeSettings{.parameters = &parameters, .layers = &context});
}

Tensor FusedHeadLoss(const Tensor& hidden, const Tensor& head, const Tensor& targets,
                     MatrixPrecision precision) {
  const bool records = torch::GradMode::is_enabled();
  return HeadLossFunction::apply(hidden.contiguous(), head, targets,
                                 HeadLossSettings{.precision = precision,
                                                  .hidden_wanted = records && hidden.requires_grad(),
                                                  .head_wanted = records && head.requires_grad()});
}

}  // namespace mimo
