#include "train/mtp_heads.h"

#include <fmt/core.h>
#include <torch/torch.h>

#include <utility>

#include "base/check.h"
#include "train/layers.h"

namespace mimo {

using torch::Tensor;

namespace {

struct MtpLayer {
  Tensor embedding_norm;
  Tensor hidden_norm;
  Tensor eh_proj;  // [hidden_size, 2 * hidden_size], the embedding's half first
  AttentionParameters attention;
  MlpParameters mlp;
  Tensor final_norm;
};

// x [sequences, length] moved `distance` to the left, `fill` at the end.
Tensor ShiftLeft(const Tensor& x, int64_t distance, int64_t fill) {
  const Tensor end = torch::full({x.size(0), std::min(distance, x.size(1))}, fill, x.options());
  return torch::cat({x.narrow(1, end.size(1), x.size(1) - end.size(1)), end}, 1);
}

}  // namespace

struct MtpHeads::Impl {
  Impl(const ModelConfig& model_config, uint64_t seed) : config(model_config), parameters(config, seed) {
    const int64_t hidden_size = config.hidden_size;
    for (uint32_t k = 0; k < config.num_nextn_predict_layers; ++k) {
      const std::string prefix = fmt::format("mtp.{}.", k);
      MtpLayer layer;
      layer.embedding_norm = parameters.AddNorm(prefix + "enorm");
      layer.hidden_norm = parameters.AddNorm(prefix + "hnorm");
      layer.eh_proj = parameters.AddMatrix(prefix + "eh_proj", hidden_size, 2 * hidden_size);
      layer.attention = parameters.AddAttention(prefix, config.MtpAttention());
      layer.mlp = parameters.AddMlp(prefix);
      layer.final_norm = parameters.AddNorm(prefix + "final_layernorm");
      layers.push_back(std::move(layer));
    }
  }

  ModelConfig config;
  ParameterSet parameters;
  std::vector<MtpLayer> layers;
};

MtpHeads::MtpHeads(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<MtpHeads> MtpHeads::Create(const ModelConfig& config, uint64_t seed) {
  if (config.num_nextn_predict_layers == 0) {
    return InvalidArgument("the model has no MTP layer: set 'num_nextn_predict_layers' in its config.json");
  }
  return MtpHeads(std::make_shared<Impl>(config, seed));
}

int64_t MtpHeads::num_heads() const { return static_cast<int64_t>(impl_->layers.size()); }
void MtpHeads::To(torch::Device device) { impl_->parameters.To(device); }
std::vector<NetworkParameter> MtpHeads::parameters() const { return impl_->parameters.list(); }

Tensor MtpHeads::Forward(int64_t head, const Network& network, const Tensor& hidden,
                         const Tensor& next_tokens, const Tensor& positions) const {
  MIMO_CHECK(head >= 0 && head < num_heads());
  const MtpLayer& layer = impl_->layers[static_cast<size_t>(head)];
  const LayerContext context = MakeLayerContext(impl_->config, PositionsOrDefault(next_tokens, positions),
                                                network.path(), network.precision());
  const Tensor embedded = torch::embedding(network.embedding().detach(), next_tokens);
  const Tensor input = torch::cat(
      {RmsNorm(embedded, layer.embedding_norm, context), RmsNorm(hidden, layer.hidden_norm, context)}, -1);
  const Tensor z = torch::matmul(input, layer.eh_proj.t());
  const Tensor attended = AttentionLayer(z, layer.attention, impl_->config.MtpAttention(), context);
  return RmsNorm(MlpLayer(attended, layer.mlp, context), layer.final_norm, context);
}

std::vector<LossResult> MtpHeads::TrainLoss(Network& network, const PackedBatch& batch) const {
  Tensor hidden;
  {
    const torch::NoGradGuard frozen;
    hidden = network.Forward(batch);
  }
  const Tensor positions = PositionsOrDefault(batch.tokens, batch.positions);
  std::vector<LossResult> results;
  for (int64_t k = 0; k < num_heads(); ++k) {
    const int64_t distance = k + 1;
    const Tensor same = ShiftLeft(positions, distance, -1).eq(positions + distance);
    const Tensor targets =
        ShiftLeft(batch.targets, distance, kNoTarget).masked_fill(same.logical_not(), kNoTarget);
    const Tensor output = Forward(k, network, hidden, ShiftLeft(batch.tokens, distance, 0), positions);
    results.push_back(network.FrozenHeadLoss(output, targets));
  }
  return results;
}

}  // namespace mimo
