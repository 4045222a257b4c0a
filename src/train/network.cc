#include "train/network.h"

#include <fmt/core.h>
#include <torch/torch.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "train/layers.h"

namespace mimo {

using torch::Tensor;

namespace {

struct TrunkLayer {
  AttentionParameters attention;
  MlpParameters mlp;  // of a dense layer, else empty
  MoeParameters moe;  // of a sparse layer, else empty
};

Status CheckTrainable(const ModelConfig& config) {
  if (config.family != ModelFamily::kMimoV2) return Unimplemented("only MiMo-V2 models can be trained");
  if (config.tie_word_embeddings) return Unimplemented("'tie_word_embeddings' is not supported in training");
  if (config.attention_bias) return Unimplemented("'attention_bias' is not supported in training");
  return {};
}

}  // namespace

struct Network::Impl {
  Impl(const ModelConfig& model_config, uint64_t seed);
  Tensor RunLayer(uint32_t layer_index, const Tensor& x, const LayerContext& context);

  LossResult Loss(const Tensor& hidden, const Tensor& targets, const Tensor& head) const;

  ModelConfig config;
  NetworkPath path = FusedLayersSupported() ? NetworkPath::kFused : NetworkPath::kPlain;
  MatrixPrecision precision = MatrixPrecision::kBfloat16;
  ParameterSet parameters;
  Tensor embed_tokens;
  std::vector<TrunkLayer> layers;
  std::vector<uint32_t> sparse_layers;  // their indices, ascending
  Tensor norm;
  Tensor lm_head;
  Tensor router_bias;  // [sparse layers, experts]
};

Network::Impl::Impl(const ModelConfig& model_config, uint64_t seed)
    : config(model_config), parameters(config, seed) {
  embed_tokens = parameters.AddEmbedding("embed_tokens");
  for (uint32_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string prefix = fmt::format("layers.{}.", i);
    TrunkLayer layer;
    layer.attention = parameters.AddAttention(prefix, config.Attention(i));
    if (config.is_sparse[i]) {
      layer.moe = parameters.AddMoe(prefix);
      sparse_layers.push_back(i);
    } else {
      layer.mlp = parameters.AddMlp(prefix);
    }
    layers.push_back(std::move(layer));
  }
  norm = parameters.AddNorm("norm");
  lm_head = parameters.AddHead("lm_head");
  router_bias = torch::zeros({static_cast<int64_t>(sparse_layers.size()), config.n_routed_experts});
  for (size_t i = 0; i < sparse_layers.size(); ++i) {
    layers[sparse_layers[i]].moe.choice_bias = router_bias[static_cast<int64_t>(i)];
  }
}

Tensor Network::Impl::RunLayer(uint32_t layer_index, const Tensor& x, const LayerContext& context) {
  TrunkLayer& layer = layers[layer_index];
  const Tensor attended = AttentionLayer(x, layer.attention, config.Attention(layer_index), context);
  return config.is_sparse[layer_index] ? MoeLayer(attended, layer.moe, context)
                                       : MlpLayer(attended, layer.mlp, context);
}

Network::Network(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<Network> Network::Create(const ModelConfig& config, uint64_t seed) {
  MIMO_RETURN_IF_ERROR(CheckTrainable(config));
  return Network(std::make_shared<Impl>(config, seed));
}

const ModelConfig& Network::config() const { return impl_->config; }
NetworkPath Network::path() const { return impl_->path; }
void Network::set_path(NetworkPath path) { impl_->path = path; }

MatrixPrecision Network::precision() const { return impl_->precision; }
void Network::set_precision(MatrixPrecision precision) { impl_->precision = precision; }

void Network::To(torch::Device device) {
  impl_->parameters.To(device);
  if (!device.is_cpu()) impl_->path = NetworkPath::kPlain;
  impl_->router_bias.set_data(impl_->router_bias.to(device));
  for (size_t i = 0; i < impl_->sparse_layers.size(); ++i) {
    impl_->layers[impl_->sparse_layers[i]].moe.choice_bias = impl_->router_bias[static_cast<int64_t>(i)];
  }
}

Tensor Network::Forward(const PackedBatch& batch) {
  const LayerContext context = MakeLayerContext(
      impl_->config, PositionsOrDefault(batch.tokens, batch.positions), impl_->path, impl_->precision);
  Tensor x = torch::embedding(impl_->embed_tokens, batch.tokens);
  for (uint32_t i = 0; i < impl_->config.num_hidden_layers; ++i) x = impl_->RunLayer(i, x, context);
  return RmsNorm(x, impl_->norm, context);
}

Tensor Network::Logits(const Tensor& hidden) const { return torch::matmul(hidden, impl_->lm_head.t()); }

LossResult Network::Impl::Loss(const Tensor& hidden, const Tensor& targets, const Tensor& head) const {
  const Tensor flat = targets.flatten();
  const Tensor rows = flat.ne(kNoTarget).nonzero().flatten();
  LossResult result;
  result.num_targets = rows.size(0);
  if (result.num_targets == 0) {
    // Still a function of the parameters, so that backward() works.
    result.loss = hidden.sum() * 0.0;
    return result;
  }
  const Tensor inputs = hidden.flatten(0, 1).index_select(0, rows);
  const Tensor labels = flat.index_select(0, rows);
  result.loss = path == NetworkPath::kFused ? FusedHeadLoss(inputs, head, labels, precision)
                                            : PlainHeadLoss(inputs, head, labels);
  return result;
}

LossResult Network::HeadLoss(const Tensor& hidden, const Tensor& targets) const {
  return impl_->Loss(hidden, targets, impl_->lm_head);
}

LossResult Network::FrozenHeadLoss(const Tensor& hidden, const Tensor& targets) const {
  return impl_->Loss(hidden, targets, impl_->lm_head.detach());
}

LossResult Network::TrainLoss(const PackedBatch& batch) {
  LossResult result = HeadLoss(Forward(batch), batch.targets);
  result.expert_loads = expert_loads();
  return result;
}

Tensor Network::expert_loads() const {
  std::vector<Tensor> rows;
  for (const uint32_t layer : impl_->sparse_layers) rows.push_back(impl_->layers[layer].moe.expert_loads);
  if (rows.empty()) return torch::zeros({0, impl_->config.n_routed_experts}, torch::kInt64);
  return torch::stack(rows);
}

void Network::UpdateRouterBias(const Tensor& expert_loads, double rate) {
  MIMO_CHECK(expert_loads.sizes() == impl_->router_bias.sizes());
  const torch::NoGradGuard no_gradient;
  if (expert_loads.size(0) == 0) return;
  const Tensor loads = expert_loads.to(torch::kFloat64);
  const Tensor direction = (loads.mean(1, true) - loads).sign().to(impl_->router_bias.options());
  impl_->router_bias.add_(direction, rate);
}

std::vector<NetworkParameter> Network::parameters() const { return impl_->parameters.list(); }
Tensor Network::router_bias() const { return impl_->router_bias; }
Tensor Network::embedding() const { return impl_->embed_tokens; }

int64_t Network::num_parameters() const {
  int64_t count = 0;
  for (const NetworkParameter& parameter : impl_->parameters.list()) count += parameter.value.numel();
  return count;
}

}  // namespace mimo
