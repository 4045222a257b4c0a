#include "train/network.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/model.h"
#include "train/layers.h"
#include "train/mtp_heads.h"
#include "train/network_checkpoint.h"
#include "weights/checkpoint.h"

namespace mimo {
namespace {

using torch::Tensor;

struct Geometry {
  const char* name;
  int64_t hidden_size;
  std::vector<int> sliding;
  std::vector<int> sparse;
  int heads;
  int kv_heads;
  int swa_kv_heads;
  int head_dim;
  int v_head_dim;
  int window;
  bool fused_qkv;
  bool full_sinks;
  int per_token;
  int mtp_layers;
};

// Sizes that are no multiples of the vector length, and ones that are.
const std::vector<Geometry> kGeometries = {
    {"narrow", 20, {0, 1, 1}, {0, 1, 1}, 4, 2, 4, 12, 8, 7, false, false, 2, 3},
    {"aligned", 64, {0, 1, 0, 1}, {0, 1, 1, 1}, 6, 2, 2, 32, 32, 16, false, false, 2, 1},
    {"fused", 48, {1, 0, 1}, {1, 0, 1}, 8, 2, 4, 24, 16, 33, true, true, 3, 2},
    {"dense", 32, {0, 1}, {0, 0}, 2, 1, 1, 48, 20, 64, true, true, 1, 0},
};

Json ConfigJson(const Geometry& geometry) {
  Json config = {{"architectures", {geometry.fused_qkv ? "MiMoV2ForCausalLM" : "MiMoV2FlashForCausalLM"}},
                 {"hidden_size", geometry.hidden_size},
                 {"num_hidden_layers", geometry.sliding.size()},
                 {"vocab_size", 61},
                 {"intermediate_size", 40},
                 {"moe_intermediate_size", 28},
                 {"n_routed_experts", 5},
                 {"num_experts_per_tok", geometry.per_token},
                 {"num_attention_heads", geometry.heads},
                 {"num_key_value_heads", geometry.kv_heads},
                 {"swa_num_key_value_heads", geometry.swa_kv_heads},
                 {"head_dim", geometry.head_dim},
                 {"v_head_dim", geometry.v_head_dim},
                 {"partial_rotary_factor", 0.334},
                 {"rope_theta", 1e5},
                 {"swa_rope_theta", 1e3},
                 {"sliding_window", geometry.window},
                 {"add_full_attention_sink_bias", geometry.full_sinks},
                 {"add_swa_attention_sink_bias", true},
                 {"attention_value_scale", 0.707},
                 {"layernorm_epsilon", 1e-5},
                 {"routed_scaling_factor", 1.5},
                 {"hybrid_layer_pattern", geometry.sliding},
                 {"moe_layer_freq", geometry.sparse},
                 {"num_nextn_predict_layers", geometry.mtp_layers}};
  if (geometry.fused_qkv) config["attention_projection_layout"] = "fused_qkv";
  return config;
}

ModelConfig Config(const Geometry& geometry) {
  Result<ModelConfig> config = ParseModelConfig(DumpJson(ConfigJson(geometry)), {});
  EXPECT_TRUE(config) << config.error().message;
  return config.value();
}

// Makes every parameter matter: norms away from 1, sinks and router bias away from 0.
void Perturb(const std::vector<NetworkParameter>& parameters, double amount) {
  const torch::NoGradGuard no_gradient;
  for (const NetworkParameter& parameter : parameters) {
    Tensor value = parameter.value;
    value.add_(torch::randn_like(value), parameter.kind == ParameterKind::kRouter ? 3 * amount : amount);
  }
}

struct TestNetwork {
  Network network;
  std::vector<MtpHeads> heads;  // one or none

  const MtpHeads* mtp() const { return heads.empty() ? nullptr : &heads.front(); }
};

TestNetwork MakeNetwork(const Geometry& geometry) {
  torch::manual_seed(7);
  const ModelConfig config = Config(geometry);
  TestNetwork made = {.network = Network::Create(config, 5).value(), .heads = {}};
  made.network.set_precision(MatrixPrecision::kFloat32);
  Perturb(made.network.parameters(), 0.1);
  made.network.router_bias().copy_(torch::randn_like(made.network.router_bias()) * 0.1);
  if (geometry.mtp_layers > 0) {
    made.heads.push_back(MtpHeads::Create(config, 6).value());
    Perturb(made.heads.front().parameters(), 0.1);
  }
  return made;
}

Tensor RandomTokens(int64_t sequences, int64_t length) {
  return torch::randint(0, 61, {sequences, length}, torch::kInt64);
}

// Rows of conversations of random lengths, each with targets on about two thirds of its tokens.
PackedBatch RandomBatch(int64_t sequences, int64_t length, int64_t conversation_length_max) {
  PackedBatch batch;
  batch.tokens = RandomTokens(sequences, length);
  batch.targets =
      RandomTokens(sequences, length).masked_fill(torch::rand({sequences, length}).lt(0.33), kNoTarget);
  batch.positions = torch::zeros_like(batch.tokens);
  std::mt19937 random(3);
  for (int64_t row = 0; row < sequences; ++row) {
    for (int64_t begin = 0; begin < length;) {
      const int64_t count = std::min<int64_t>(
          length - begin, std::uniform_int_distribution<int64_t>(1, conversation_length_max)(random));
      batch.positions[row].narrow(0, begin, count).copy_(torch::arange(count));
      begin += count;
    }
  }
  return batch;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mimo_network_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

double RelativeError(const Tensor& a, const Tensor& reference) {
  return ((a - reference).abs().max() / reference.abs().max()).item<double>();
}

class NetworkTest : public testing::TestWithParam<Geometry> {
 protected:
  std::vector<NetworkPath> Paths() const {
    if (!FusedLayersSupported()) return {NetworkPath::kPlain};
    return {NetworkPath::kPlain, NetworkPath::kFused};
  }
};

// The engine's exact path over one sequence.
class EngineRun {
 public:
  explicit EngineRun(const std::string& folder, const Tensor& tokens)
      : checkpoint_(Checkpoint::Open(folder, {.overrides = {}, .populate = false, .num_threads = 1}).value()),
        model_(Model::Create(checkpoint_, Options()).value()),
        kv_(KvStorage::Create(checkpoint_.config(),
                              {.type = KvType::kF32, .num_blocks = kNumBlocks, .num_rings = 1})
                .value()) {
    for (uint32_t i = 0; i < kNumBlocks; ++i) blocks_.push_back(KvBlockId{i});
    for (int64_t i = 0; i < tokens.numel(); ++i) {
      tokens_.push_back(static_cast<TokenId>(tokens[i].item<int64_t>()));
    }
  }

  Tensor Logits() {
    const SequenceChunk chunk = Chunk(0);
    const std::span<const float> logits = model_.Forward({&chunk, 1}, kv_).value();
    hidden_.assign(model_.hidden_states().begin(), model_.hidden_states().end());
    return ToTensor(logits);
  }

  // Of the positions whose input token is in the sequence. After Logits.
  Tensor MtpLogits(uint32_t head) {
    const SequenceChunk chunk = Chunk(head + 1);
    const size_t size = chunk.tokens.size() * checkpoint_.config().hidden_size;
    return ToTensor(model_.ForwardMtp(head, {&chunk, 1}, std::span(hidden_).first(size), kv_).value());
  }

 private:
  static constexpr uint32_t kNumBlocks = 8;

  static ModelOptions Options() {
    ModelOptions options;
    options.path = ComputePath::kExact;
    options.num_threads = 1;
    return options;
  }

  SequenceChunk Chunk(size_t shift) const {
    return {.tokens = std::span(tokens_).subspan(shift),
            .first_position = 0,
            .blocks = blocks_,
            .ring = KvRingId{0},
            .logits = LogitsWanted::kAll};
  }

  Tensor ToTensor(std::span<const float> logits) const {
    const int64_t vocab_size = checkpoint_.config().vocab_size;
    const auto rows = static_cast<int64_t>(logits.size()) / vocab_size;
    return torch::tensor(std::vector<float>(logits.begin(), logits.end())).view({rows, vocab_size});
  }

  Checkpoint checkpoint_;
  Model model_;
  KvStorage kv_;
  std::vector<KvBlockId> blocks_;
  std::vector<TokenId> tokens_;
  std::vector<float> hidden_;
};

// Both sides compute in float32; the bound is far above their rounding and far below any wrong formula.
constexpr double kParityError = 1e-4;

TEST_P(NetworkTest, GivesTheLogitsOfTheEnginesExactPath) {
  const torch::NoGradGuard no_gradient;
  TestNetwork made = MakeNetwork(GetParam());
  const TemporaryFolder folder;
  ASSERT_TRUE(SaveNetwork(folder.path(), made.network, made.mtp(),
                          {.config_json = DumpJson(ConfigJson(GetParam())), .tokenizer_folder = {}}));
  const Tensor tokens = RandomTokens(1, 150);  // longer than every window
  EngineRun engine(folder.path(), tokens[0]);
  const Tensor expected = engine.Logits();
  for (const NetworkPath path : Paths()) {
    made.network.set_path(path);
    const Tensor hidden = made.network.Forward({.tokens = tokens, .targets = {}, .positions = {}});
    EXPECT_LE(RelativeError(made.network.Logits(hidden[0]), expected), kParityError);
    for (int64_t head = 0; head < GetParam().mtp_layers; ++head) {
      const int64_t rows = tokens.size(1) - head - 1;
      const Tensor output = made.mtp()->Forward(head, made.network, hidden.narrow(1, 0, rows),
                                                tokens.narrow(1, head + 1, rows), {});
      EXPECT_LE(RelativeError(made.network.Logits(output[0]), engine.MtpLogits(static_cast<uint32_t>(head))),
                kParityError)
          << "MTP head " << head;
    }
  }
}

TEST_P(NetworkTest, ComesBackFromItsCheckpointToTheBit) {
  const TestNetwork made = MakeNetwork(GetParam());
  const TemporaryFolder folder;
  ASSERT_TRUE(SaveNetwork(folder.path(), made.network, made.mtp(),
                          {.config_json = DumpJson(ConfigJson(GetParam())), .tokenizer_folder = {}}));
  const ModelConfig config = Checkpoint::Open(folder.path(), {}).value().config();
  Network loaded = Network::Create(config, 99).value();
  std::vector<MtpHeads> heads;
  if (made.mtp() != nullptr) heads.push_back(MtpHeads::Create(config, 99).value());
  const Status status = LoadNetwork(folder.path(), &loaded, heads.empty() ? nullptr : &heads.front());
  ASSERT_TRUE(status) << status.error().message;
  const auto expect_equal = [](const std::vector<NetworkParameter>& a,
                               const std::vector<NetworkParameter>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::equal(a[i].value, b[i].value)) << a[i].name;
  };
  expect_equal(loaded.parameters(), made.network.parameters());
  EXPECT_TRUE(torch::equal(loaded.router_bias(), made.network.router_bias()));
  if (!heads.empty()) expect_equal(heads.front().parameters(), made.mtp()->parameters());
}

TEST_P(NetworkTest, PackedConversationsDoNotSeeEachOther) {
  const torch::NoGradGuard no_gradient;
  TestNetwork made = MakeNetwork(GetParam());
  const PackedBatch batch = RandomBatch(1, 150, 60);
  for (const NetworkPath path : Paths()) {
    made.network.set_path(path);
    const Tensor packed = made.network.Forward(batch)[0];
    for (int64_t begin = 0; begin < 150;) {
      int64_t end = begin + 1;
      while (end < 150 && batch.positions[0][end].item<int64_t>() > 0) ++end;
      const Tensor alone = made.network.Forward(
          {.tokens = batch.tokens.narrow(1, begin, end - begin), .targets = {}, .positions = {}})[0];
      EXPECT_LE(RelativeError(packed.narrow(0, begin, end - begin), alone), kParityError);
      begin = end;
    }
  }
}

// d loss / d parameter along a random direction, by central differences in float64 on the plain path.
TEST_P(NetworkTest, LossChangesAlongEveryParameterAsItsGradientSays) {
  TestNetwork made = MakeNetwork(GetParam());
  const PackedBatch batch = RandomBatch(2, 40, 25);
  made.network.set_path(NetworkPath::kPlain);
  for (const NetworkParameter& parameter : made.network.parameters()) {
    Tensor value = parameter.value;
    value.set_data(value.to(torch::kFloat64));
  }
  made.network.router_bias().set_data(made.network.router_bias().to(torch::kFloat64));
  made.network.TrainLoss(batch).loss.backward();
  const torch::NoGradGuard no_gradient;
  for (const NetworkParameter& parameter : made.network.parameters()) {
    Tensor value = parameter.value;
    const Tensor direction = torch::randn_like(value);
    const double predicted = (value.grad() * direction).sum().item<double>();
    constexpr double kStep = 1e-6;  // the choice of experts stays the same
    value.add_(direction, kStep);
    const double above = made.network.TrainLoss(batch).loss.item<double>();
    value.add_(direction, -2 * kStep);
    const double below = made.network.TrainLoss(batch).loss.item<double>();
    value.add_(direction, kStep);
    EXPECT_NEAR((above - below) / (2 * kStep), predicted, 1e-4 * std::abs(predicted) + 1e-7)
        << parameter.name;
  }
}

std::vector<Tensor> Gradients(const std::vector<NetworkParameter>& parameters) {
  std::vector<Tensor> gradients;
  for (const NetworkParameter& parameter : parameters) {
    Tensor value = parameter.value;
    gradients.push_back(value.grad().defined() ? value.grad().clone() : torch::zeros_like(value));
    value.mutable_grad() = Tensor();
  }
  return gradients;
}

TEST_P(NetworkTest, FusedPathHasTheLossAndGradientsOfThePlainPath) {
  if (!FusedLayersSupported()) GTEST_SKIP() << "this machine has no fused path";
  TestNetwork made = MakeNetwork(GetParam());
  const PackedBatch batch = RandomBatch(2, 150, 90);
  std::vector<Tensor> gradients[2];
  std::vector<LossResult> results;
  for (const NetworkPath path : {NetworkPath::kPlain, NetworkPath::kFused}) {
    made.network.set_path(path);
    results.push_back(made.network.TrainLoss(batch));
    // A factor as from accumulating steps: the incoming gradient must not be taken for 1.
    (results.back().loss * 0.25).backward();
    gradients[results.size() - 1] = Gradients(made.network.parameters());
    if (made.mtp() == nullptr) continue;
    for (const LossResult& head : made.mtp()->TrainLoss(made.network, batch)) head.loss.backward();
    for (Tensor& gradient : Gradients(made.mtp()->parameters())) {
      gradients[results.size() - 1].push_back(std::move(gradient));
    }
  }
  EXPECT_NEAR(results[1].loss.item<double>(), results[0].loss.item<double>(), 1e-5);
  EXPECT_TRUE(torch::equal(results[1].expert_loads, results[0].expert_loads));
  std::vector<NetworkParameter> parameters = made.network.parameters();
  if (made.mtp() != nullptr) {
    for (NetworkParameter& parameter : made.mtp()->parameters()) parameters.push_back(std::move(parameter));
  }
  ASSERT_EQ(gradients[1].size(), parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_LE(RelativeError(gradients[1][i], gradients[0][i]), kParityError) << parameters[i].name;
  }
}

// Each product rounds its operands by up to 2^-9; a gradient passes some ten products with random signs.
TEST_P(NetworkTest, Bfloat16ProductsKeepLossAndGradientsWithinTheirRounding) {
  if (!FusedLayersSupported()) GTEST_SKIP() << "this machine has no fused path";
  TestNetwork made = MakeNetwork(GetParam());
  const PackedBatch batch = RandomBatch(2, 150, 90);
  std::vector<std::vector<Tensor>> gradients;
  std::vector<double> losses;
  for (const MatrixPrecision precision : {MatrixPrecision::kFloat32, MatrixPrecision::kBfloat16}) {
    made.network.set_precision(precision);
    const LossResult result = made.network.TrainLoss(batch);
    result.loss.backward();
    losses.push_back(result.loss.item<double>());
    gradients.push_back(Gradients(made.network.parameters()));
  }
  EXPECT_NEAR(losses[1], losses[0], 0.02 * losses[0]);
  // The choice of experts of a few tokens may flip, so single elements may differ: compare directions.
  for (size_t i = 0; i < gradients[0].size(); ++i) {
    const Tensor a = gradients[0][i].flatten();
    const Tensor b = gradients[1][i].flatten();
    EXPECT_GE((a.dot(b) / (a.norm() * b.norm())).item<double>(), 0.98) << made.network.parameters()[i].name;
  }
}

TEST_P(NetworkTest, CountsTheTokensOfEveryExpert) {
  const torch::NoGradGuard no_gradient;
  TestNetwork made = MakeNetwork(GetParam());
  const PackedBatch batch = RandomBatch(2, 30, 30);
  const Tensor loads = made.network.TrainLoss(batch).expert_loads;
  ASSERT_EQ(loads.sizes(), made.network.router_bias().sizes());
  for (int64_t layer = 0; layer < loads.size(0); ++layer) {
    EXPECT_EQ(loads[layer].sum().item<int64_t>(), 60 * GetParam().per_token);
  }
}

INSTANTIATE_TEST_SUITE_P(Geometries, NetworkTest, testing::ValuesIn(kGeometries),
                         [](const auto& geometry) { return std::string(geometry.param.name); });

TEST(Network, RouterBiasRisesForExpertsWithLessThanTheMeanLoad) {
  TestNetwork made = MakeNetwork(kGeometries[0]);
  const Tensor before = made.network.router_bias().clone();
  const Tensor loads = torch::tensor({{10, 0, 5, 5, 5}, {5, 5, 5, 5, 5}}, torch::kInt64);
  made.network.UpdateRouterBias(loads, 0.25);
  const Tensor expected = torch::tensor({{-0.25F, 0.25F, 0.0F, 0.0F, 0.0F}, {0.0F, 0.0F, 0.0F, 0.0F, 0.0F}});
  EXPECT_TRUE(torch::allclose(made.network.router_bias() - before, expected));
}

TEST(Network, LossWithoutTargetsIsZeroAndHasGradients) {
  TestNetwork made = MakeNetwork(kGeometries[0]);
  PackedBatch batch = RandomBatch(1, 20, 20);
  batch.targets.fill_(kNoTarget);
  const LossResult result = made.network.TrainLoss(batch);
  EXPECT_EQ(result.num_targets, 0);
  EXPECT_EQ(result.loss.item<float>(), 0.0F);
  result.loss.backward();
}

TEST(MtpHeads, LeaveTheTrunkWithoutGradients) {
  TestNetwork made = MakeNetwork(kGeometries[0]);
  const PackedBatch batch = RandomBatch(2, 40, 40);
  for (const LossResult& head : made.mtp()->TrainLoss(made.network, batch)) {
    EXPECT_GT(head.num_targets, 0);
    head.loss.backward();
  }
  for (const NetworkParameter& parameter : made.network.parameters()) {
    EXPECT_FALSE(parameter.value.grad().defined()) << parameter.name;
  }
}

TEST(MtpHeads, TakeALossOnlyWhereTheirTokensAreOfOneConversation) {
  TestNetwork made = MakeNetwork(kGeometries[0]);  // three heads
  PackedBatch batch = RandomBatch(1, 10, 10);
  batch.targets = RandomTokens(1, 10);
  batch.positions = torch::tensor({{0, 1, 2, 3, 0, 1, 2, 3, 4, 5}}, torch::kInt64);
  const std::vector<LossResult> heads = made.mtp()->TrainLoss(made.network, batch);
  ASSERT_EQ(heads.size(), 3U);
  EXPECT_EQ(heads[0].num_targets, 3 + 5);
  EXPECT_EQ(heads[1].num_targets, 2 + 4);
  EXPECT_EQ(heads[2].num_targets, 1 + 3);
}

}  // namespace
}  // namespace mimo
