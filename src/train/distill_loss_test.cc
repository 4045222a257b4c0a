#include "train/distill_loss.h"

#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/utils.h>

#include <cmath>

namespace mimo {
namespace {

constexpr char kConfig[] = R"({
  "architectures": ["MiMoV2FlashForCausalLM"], "hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 61,
  "intermediate_size": 40, "moe_intermediate_size": 24, "n_routed_experts": 4, "num_experts_per_tok": 2,
  "num_attention_heads": 2, "num_key_value_heads": 1, "swa_num_attention_heads": 2, "swa_num_key_value_heads": 1,
  "head_dim": 12, "v_head_dim": 8, "swa_head_dim": 12, "swa_v_head_dim": 8, "partial_rotary_factor": 0.334,
  "rope_theta": 1e5, "swa_rope_theta": 1e3, "sliding_window": 4, "add_swa_attention_sink_bias": true,
  "hybrid_layer_pattern": [0, 1], "moe_layer_freq": [0, 1], "layernorm_epsilon": 1e-5, "max_position_embeddings": 64
})";

TEST(GroupAdvantages, AreRelativeToTheGroup) {
  const std::vector<double> advantages = GroupAdvantages(std::vector<double>{1, 0, 0, 1});
  EXPECT_DOUBLE_EQ(advantages[0], 1);
  EXPECT_DOUBLE_EQ(advantages[1], -1);
}

TEST(GroupAdvantages, TellNothingWhereAllAreEquallyGood) {
  EXPECT_EQ(GroupAdvantages(std::vector<double>{1, 1, 1}), std::vector<double>(3, 0.0));
}

class DistillLossTest : public testing::Test {
 protected:
  static Network MakeNetwork(uint64_t seed) {
    const Result<ModelConfig> config = ParseModelConfig(kConfig, {});
    EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().message);
    Result<Network> network = Network::Create(*config, seed);
    EXPECT_TRUE(network.has_value());
    return *network;
  }

  // log pi of the answer's tokens under `network`.
  std::vector<float> Logprobs(Network& network) const {
    std::vector<int64_t> tokens(prompt_.begin(), prompt_.end());
    tokens.insert(tokens.end(), rollout_.tokens.begin(), rollout_.tokens.end());
    const torch::NoGradGuard no_gradients;
    PackedBatch batch;
    batch.tokens = torch::tensor(tokens).unsqueeze(0);
    const torch::Tensor logits = network.Logits(network.Forward(batch)[0]);
    std::vector<float> result;
    for (size_t t = 0; t < rollout_.tokens.size(); ++t) {
      const auto row = static_cast<int64_t>(prompt_.size() + t - 1);
      result.push_back(torch::log_softmax(logits[row], -1)[rollout_.tokens[t]].item<float>());
    }
    return result;
  }

  std::vector<TokenId> prompt_ = {3, 1, 4, 1, 5};
  Rollout rollout_ = {.tokens = {9, 2, 6}, .logprobs = {}, .calls = {}, .text = {}, .reward = 0};
};

TEST_F(DistillLossTest, EqualsTheFormulaComputedByHand) {
  Network student = MakeNetwork(1);
  Network teacher = MakeNetwork(2);
  const std::vector<float> student_logprobs = Logprobs(student);
  const std::vector<float> teacher_logprobs = Logprobs(teacher);
  rollout_.logprobs = student_logprobs;
  const DistillSample sample{.prompt = prompt_, .rollout = &rollout_, .advantage = 0.5};

  const DistillLoss loss = ComputeDistillLoss(student, &teacher, {&sample, 1}, {.reward_weight = 2});

  double expected = 0;
  for (size_t t = 0; t < 3; ++t) {
    expected -= (teacher_logprobs[t] - student_logprobs[t] + 2 * 0.5) * student_logprobs[t] / 3;
  }
  EXPECT_NEAR(loss.loss.item<double>(), expected, 1e-4 * std::abs(expected));
  EXPECT_DOUBLE_EQ(loss.importance_inside, 1);
  EXPECT_EQ(loss.num_tokens, 3);
}

TEST_F(DistillLossTest, TokensOutsideTheImportanceWindowHaveNoSay) {
  Network student = MakeNetwork(1);
  rollout_.logprobs = Logprobs(student);
  for (float& logprob : rollout_.logprobs) logprob -= 2;  // the sampler found them much less likely
  const DistillSample sample{.prompt = prompt_, .rollout = &rollout_, .advantage = 1};

  const DistillLoss loss = ComputeDistillLoss(student, nullptr, {&sample, 1}, {});

  EXPECT_EQ(loss.loss.item<double>(), 0);
  EXPECT_EQ(loss.importance_inside, 0);
}

TEST_F(DistillLossTest, AStepAlongTheGradientRaisesTheLikelihoodOfAGoodAnswer) {
  Network student = MakeNetwork(1);
  rollout_.logprobs = Logprobs(student);
  const DistillSample sample{.prompt = prompt_, .rollout = &rollout_, .advantage = 1};
  ComputeDistillLoss(student, nullptr, {&sample, 1}, {}).loss.backward();
  {
    const torch::NoGradGuard no_gradients;
    for (NetworkParameter& parameter : student.parameters()) {
      if (parameter.value.grad().defined()) parameter.value.sub_(parameter.value.grad(), 0.01);
    }
  }

  const std::vector<float> after = Logprobs(student);

  float before_sum = 0;
  float after_sum = 0;
  for (size_t t = 0; t < 3; ++t) {
    before_sum += rollout_.logprobs[t];
    after_sum += after[t];
  }
  EXPECT_GT(after_sum, before_sum);
}

}  // namespace
}  // namespace mimo
