#include "train/distill_loss.h"

#include <torch/autograd.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace mimo {
namespace {

// The answers' tokens in one flat order, and where the outputs that predict them stand.
struct AnswerTokens {
  PackedBatch batch;         // a row for each sample: prompt and answer, padded
  torch::Tensor rows;        // int64 [tokens] in the flattened batch
  torch::Tensor chosen;      // int64 [tokens]
  torch::Tensor sampled;     // float [tokens] log mu
  torch::Tensor advantages;  // float [tokens]
  torch::Tensor weights;     // float [tokens] 1 / (samples * length of the answer)
};

template <typename T>
torch::Tensor TensorOf(std::vector<T>& values, torch::ScalarType type) {
  return torch::from_blob(values.data(), {static_cast<int64_t>(values.size())}, type).clone();
}

AnswerTokens GatherAnswers(std::span<const DistillSample> samples) {
  size_t length = 0;
  for (const DistillSample& sample : samples) {
    MIMO_CHECK(!sample.rollout->tokens.empty());
    length = std::max(length, sample.prompt.size() + sample.rollout->tokens.size());
  }
  std::vector<int64_t> tokens(samples.size() * length, 0);
  std::vector<int64_t> rows;
  std::vector<int64_t> chosen;
  std::vector<float> sampled;
  std::vector<float> advantages;
  std::vector<float> weights;
  for (size_t s = 0; s < samples.size(); ++s) {
    const std::span<const TokenId> prompt = samples[s].prompt;
    const Rollout& rollout = *samples[s].rollout;
    int64_t* const row = tokens.data() + s * length;
    std::copy(prompt.begin(), prompt.end(), row);
    std::copy(rollout.tokens.begin(), rollout.tokens.end(), row + prompt.size());
    for (size_t t = 0; t < rollout.tokens.size(); ++t) {
      rows.push_back(static_cast<int64_t>(s * length + prompt.size() + t - 1));
      chosen.push_back(rollout.tokens[t]);
      sampled.push_back(rollout.logprobs[t]);
      advantages.push_back(static_cast<float>(samples[s].advantage));
      weights.push_back(1.0F / static_cast<float>(samples.size() * rollout.tokens.size()));
    }
  }
  AnswerTokens answers;
  answers.batch.tokens = TensorOf(tokens, torch::kInt64)
                             .view({static_cast<int64_t>(samples.size()), static_cast<int64_t>(length)});
  answers.rows = TensorOf(rows, torch::kInt64);
  answers.chosen = TensorOf(chosen, torch::kInt64);
  answers.sampled = TensorOf(sampled, torch::kFloat32);
  answers.advantages = TensorOf(advantages, torch::kFloat32);
  answers.weights = TensorOf(weights, torch::kFloat32);
  return answers;
}

// log pi(chosen token), [tokens].
torch::Tensor ChosenLogprobs(Network& network, const AnswerTokens& answers) {
  const torch::Tensor hidden = network.Forward(answers.batch);
  const torch::Tensor rows = hidden.reshape({-1, hidden.size(-1)}).index_select(0, answers.rows);
  return torch::log_softmax(network.Logits(rows), -1).gather(1, answers.chosen.unsqueeze(1)).squeeze(1);
}

}  // namespace

std::vector<double> GroupAdvantages(std::span<const double> rewards) {
  const double count = static_cast<double>(rewards.size());
  const double mean = std::accumulate(rewards.begin(), rewards.end(), 0.0) / count;
  double variance = 0;
  for (const double reward : rewards) variance += (reward - mean) * (reward - mean) / count;
  std::vector<double> advantages(rewards.size(), 0.0);
  if (variance < 1e-12) return advantages;
  for (size_t i = 0; i < rewards.size(); ++i) advantages[i] = (rewards[i] - mean) / std::sqrt(variance);
  return advantages;
}

DistillLoss ComputeDistillLoss(Network& student, Network* teacher, std::span<const DistillSample> samples,
                               const DistillLossOptions& options) {
  MIMO_CHECK(!samples.empty());
  const AnswerTokens answers = GatherAnswers(samples);
  DistillLoss result;
  result.num_tokens = answers.chosen.size(0);
  torch::Tensor advantages = answers.advantages * options.reward_weight;
  torch::Tensor teacher_logprobs;
  if (teacher != nullptr) {
    const torch::NoGradGuard no_gradients;
    teacher_logprobs = ChosenLogprobs(*teacher, answers);
  }
  const torch::Tensor logprobs = ChosenLogprobs(student, answers);
  const torch::Tensor fixed = logprobs.detach();
  if (teacher != nullptr) {
    const torch::Tensor gain = teacher_logprobs - fixed;
    advantages = advantages + options.teacher_weight * gain;
    result.reverse_kl = -gain.mean().item<double>();
  }
  const torch::Tensor ratio = (fixed - answers.sampled).exp();
  const torch::Tensor inside = (ratio >= options.importance_min).logical_and(ratio <= options.importance_max);
  result.importance_inside = inside.to(torch::kFloat32).mean().item<double>();
  const torch::Tensor importance = torch::where(inside, ratio, torch::zeros_like(ratio));
  result.loss = -(answers.weights * importance * advantages * logprobs).sum();
  return result;
}

}  // namespace mimo
