// Tokens that one training step takes in per second of one core, at the size of the home model.
//
// Steps of 8 rows of 1,024 tokens, a target on two of five. Run with OMP_NUM_THREADS=1.

#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include "base/json.h"
#include "train/mtp_heads.h"
#include "train/network.h"

namespace mimo {
namespace {

ModelConfig HomeConfig() {
  const Json config = {{"architectures", {"MiMoV2FlashForCausalLM"}},
                       {"hidden_size", 192},
                       {"num_hidden_layers", 12},
                       {"vocab_size", 4096},
                       {"intermediate_size", 512},
                       {"moe_intermediate_size", 128},
                       {"n_routed_experts", 16},
                       {"num_experts_per_tok", 2},
                       {"num_attention_heads", 6},
                       {"num_key_value_heads", 2},
                       {"head_dim", 32},
                       {"v_head_dim", 32},
                       {"partial_rotary_factor", 0.5},
                       {"rope_theta", 1e6},
                       {"swa_rope_theta", 1e4},
                       {"sliding_window", 128},
                       {"add_swa_attention_sink_bias", true},
                       {"attention_value_scale", 0.707},
                       {"layernorm_epsilon", 1e-5},
                       {"hybrid_layer_pattern", {0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0}},
                       {"moe_layer_freq", {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
                       {"num_nextn_predict_layers", 3}};
  return ParseModelConfig(DumpJson(config), {}).value();
}

PackedBatch RandomBatch(const ModelConfig& config) {
  constexpr int64_t kSequences = 8;
  constexpr int64_t kLength = 1024;
  PackedBatch batch;
  batch.tokens = torch::randint(0, config.vocab_size, {kSequences, kLength}, torch::kInt64);
  batch.targets = torch::randint_like(batch.tokens, 0, config.vocab_size)
                      .masked_fill(torch::rand({kSequences, kLength}).lt(0.6), kNoTarget);
  return batch;
}

void Report(benchmark::State& state, const PackedBatch& batch) {
  state.counters["tokens"] = benchmark::Counter(
      static_cast<double>(state.iterations() * batch.tokens.numel()), benchmark::Counter::kIsRate);
}

void TrainStep(benchmark::State& state, NetworkPath path, MatrixPrecision precision) {
  torch::manual_seed(1);
  const ModelConfig config = HomeConfig();
  Network network = Network::Create(config, 1).value();
  network.set_path(path);
  network.set_precision(precision);
  const PackedBatch batch = RandomBatch(config);
  for (auto _ : state) network.TrainLoss(batch).loss.backward();
  Report(state, batch);
}
BENCHMARK_CAPTURE(TrainStep, bf16, NetworkPath::kFused, MatrixPrecision::kBfloat16)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(TrainStep, float32, NetworkPath::kFused, MatrixPrecision::kFloat32)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(TrainStep, plain, NetworkPath::kPlain, MatrixPrecision::kFloat32)
    ->Unit(benchmark::kMillisecond);

void Forward(benchmark::State& state) {
  const torch::NoGradGuard no_gradient;
  const ModelConfig config = HomeConfig();
  Network network = Network::Create(config, 1).value();
  const PackedBatch batch = RandomBatch(config);
  for (auto _ : state) benchmark::DoNotOptimize(network.Forward(batch));
  Report(state, batch);
}
BENCHMARK(Forward)->Unit(benchmark::kMillisecond);

void MtpStep(benchmark::State& state) {
  const ModelConfig config = HomeConfig();
  Network network = Network::Create(config, 1).value();
  const MtpHeads heads = MtpHeads::Create(config, 2).value();
  const PackedBatch batch = RandomBatch(config);
  for (auto _ : state) {
    for (const LossResult& head : heads.TrainLoss(network, batch)) head.loss.backward();
  }
  Report(state, batch);
}
BENCHMARK(MtpStep)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mimo
