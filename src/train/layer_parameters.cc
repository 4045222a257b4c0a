#include "train/layer_parameters.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include <cmath>
#include <utility>

#include "kernels/rope.h"

namespace mimo {
namespace {

using torch::Tensor;

// The residual stream starts at a size that the outputs of a few layers reach.
constexpr double kEmbeddingDeviation = 0.5;
// Small first logits: the first loss is close to that of a uniform guess.
constexpr double kHeadDeviation = 0.02;
// Scores near 0.5 for every expert, so that the correction bias can balance the load from the first steps on.
constexpr double kRouterDeviation = 0.02;

double MatrixDeviation(int64_t columns) { return 1.0 / std::sqrt(static_cast<double>(columns)); }

RopeTables MakeRopeTables(const AttentionGeometry& geometry, int64_t num_positions, torch::Device device) {
  const std::vector<float> frequencies = RopeInverseFrequencies(geometry.rope_theta, geometry.rotary_dim);
  const auto half = static_cast<int64_t>(frequencies.size());
  RopeTables tables = {.cosines = torch::empty({num_positions, half}),
                       .sines = torch::empty({num_positions, half})};
  for (int64_t position = 0; position < num_positions; ++position) {
    RopeAngles(static_cast<uint32_t>(position), frequencies,
               tables.cosines.data_ptr<float>() + position * half,
               tables.sines.data_ptr<float>() + position * half);
  }
  tables.cosines = tables.cosines.to(device);
  tables.sines = tables.sines.to(device);
  return tables;
}

}  // namespace

ParameterSet::ParameterSet(const ModelConfig& config, uint64_t seed)
    : config_(config), generator_(at::detail::createCPUGenerator(seed)) {}

Tensor ParameterSet::Normal(at::IntArrayRef shape, double standard_deviation) {
  return torch::empty(shape).normal_(0.0, standard_deviation, generator_);
}

double ParameterSet::ResidualDeviation(int64_t columns) const {
  return MatrixDeviation(columns) / std::sqrt(2.0 * config_.num_hidden_layers);
}

Tensor ParameterSet::Add(NetworkParameter parameter) {
  parameter.value.set_requires_grad(true);
  list_.push_back(std::move(parameter));
  return list_.back().value;
}

Tensor ParameterSet::AddEmbedding(const std::string& name) {
  return Add({.name = name,
              .kind = ParameterKind::kEmbedding,
              .value = Normal({config_.vocab_size, config_.hidden_size}, kEmbeddingDeviation),
              .row_splits = {}});
}

Tensor ParameterSet::AddHead(const std::string& name) {
  return Add({.name = name,
              .kind = ParameterKind::kHead,
              .value = Normal({config_.vocab_size, config_.hidden_size}, kHeadDeviation),
              .row_splits = {}});
}

Tensor ParameterSet::AddNorm(const std::string& name) {
  return Add({.name = name,
              .kind = ParameterKind::kNorm,
              .value = torch::ones({config_.hidden_size}),
              .row_splits = {}});
}

Tensor ParameterSet::AddMatrix(const std::string& name, int64_t rows, int64_t columns) {
  return Add({.name = name,
              .kind = ParameterKind::kMatrix,
              .value = Normal({rows, columns}, MatrixDeviation(columns)),
              .row_splits = {rows}});
}

AttentionParameters ParameterSet::AddAttention(const std::string& prefix, const AttentionGeometry& geometry) {
  const int64_t hidden_size = config_.hidden_size;
  const int64_t q_rows = int64_t{geometry.num_attention_heads} * geometry.head_dim;
  const int64_t k_rows = int64_t{geometry.num_key_value_heads} * geometry.head_dim;
  const int64_t v_rows = int64_t{geometry.num_key_value_heads} * geometry.v_head_dim;
  const int64_t out_columns = int64_t{geometry.num_attention_heads} * geometry.v_head_dim;
  AttentionParameters attention;
  attention.norm = AddNorm(prefix + "input_layernorm");
  attention.qkv = Add({.name = prefix + "qkv",
                       .kind = ParameterKind::kMatrix,
                       .value = Normal({q_rows + k_rows + v_rows, hidden_size}, MatrixDeviation(hidden_size)),
                       .row_splits = {q_rows, k_rows, v_rows}});
  attention.o = Add({.name = prefix + "o",
                     .kind = ParameterKind::kMatrix,
                     .value = Normal({hidden_size, out_columns}, ResidualDeviation(out_columns)),
                     .row_splits = {hidden_size}});
  if (geometry.has_sinks) {
    attention.sinks = Add({.name = prefix + "sinks",
                           .kind = ParameterKind::kSinks,
                           .value = torch::zeros({geometry.num_attention_heads}),
                           .row_splits = {}});
  }
  return attention;
}

MlpParameters ParameterSet::AddMlp(const std::string& prefix) {
  const int64_t hidden_size = config_.hidden_size;
  const int64_t intermediate = config_.intermediate_size;
  MlpParameters mlp;
  mlp.norm = AddNorm(prefix + "post_attention_layernorm");
  mlp.gate_up = Add({.name = prefix + "gate_up",
                     .kind = ParameterKind::kMatrix,
                     .value = Normal({2 * intermediate, hidden_size}, MatrixDeviation(hidden_size)),
                     .row_splits = {intermediate, intermediate}});
  mlp.down = Add({.name = prefix + "down",
                  .kind = ParameterKind::kMatrix,
                  .value = Normal({hidden_size, intermediate}, ResidualDeviation(intermediate)),
                  .row_splits = {hidden_size}});
  return mlp;
}

MoeParameters ParameterSet::AddMoe(const std::string& prefix) {
  const int64_t hidden_size = config_.hidden_size;
  const int64_t intermediate = config_.moe_intermediate_size;
  const int64_t experts = config_.n_routed_experts;
  MoeParameters moe;
  moe.norm = AddNorm(prefix + "post_attention_layernorm");
  moe.router = Add({.name = prefix + "router",
                    .kind = ParameterKind::kRouter,
                    .value = Normal({experts, hidden_size}, kRouterDeviation),
                    .row_splits = {}});
  moe.gate_up = Add({.name = prefix + "experts.gate_up",
                     .kind = ParameterKind::kMatrix,
                     .value = Normal({experts, 2 * intermediate, hidden_size}, MatrixDeviation(hidden_size)),
                     .row_splits = {intermediate, intermediate}});
  moe.down = Add({.name = prefix + "experts.down",
                  .kind = ParameterKind::kMatrix,
                  .value = Normal({experts, hidden_size, intermediate}, ResidualDeviation(intermediate)),
                  .row_splits = {hidden_size}});
  moe.expert_loads = torch::zeros({experts}, torch::kInt64);
  return moe;
}

void ParameterSet::To(torch::Device device) {
  for (NetworkParameter& parameter : list_) parameter.value.set_data(parameter.value.to(device));
}

LayerContext MakeLayerContext(const ModelConfig& config, const torch::Tensor& positions, NetworkPath path,
                              MatrixPrecision precision) {
  LayerContext context;
  context.config = &config;
  context.path = path;
  context.precision = precision;
  context.positions = positions;
  const int64_t num_positions = positions.numel() == 0 ? 0 : positions.max().item<int64_t>() + 1;
  context.full_rope = MakeRopeTables(config.full_attention, num_positions, positions.device());
  context.sliding_rope = MakeRopeTables(config.sliding_attention, num_positions, positions.device());
  return context;
}

Tensor PositionsOrDefault(const Tensor& tokens, const Tensor& positions) {
  if (positions.defined()) return positions;
  const Tensor row = torch::arange(tokens.size(1), tokens.options());
  return row.unsqueeze(0).expand_as(tokens).contiguous();
}

}  // namespace mimo
