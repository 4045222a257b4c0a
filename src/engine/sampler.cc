#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "engine/sampling_random.h"
#include "engine/softmax.h"

namespace mimo {
namespace {

// Below this a division by the temperature leaves one token with all the mass anyway.
constexpr float kGreedyTemperatureMax = 1e-5F;

bool IsGreedy(const SamplingParams& params) {
  return params.temperature < kGreedyTemperatureMax || params.top_k == 1;
}

bool HasFilters(const SamplingParams& params, size_t vocab_size) {
  return (params.top_k > 0 && params.top_k < vocab_size) || params.min_p > 0 || params.typical_p < 1 ||
         params.top_p < 1;
}

float ClampToFinite(float logit) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  return std::clamp(logit, -kLargest, kLargest);
}

}  // namespace

SamplingState::SamplingState(SamplingParams params, uint64_t seed, std::span<const TokenId> prompt,
                             uint32_t vocab_size)
    : params_(std::move(params)),
      seed_(params_.seed.value_or(seed)),
      has_penalties_(params_.repetition_penalty != 1 || params_.presence_penalty != 0 ||
                     params_.frequency_penalty != 0) {
  if (!has_penalties_) return;
  output_counts_.resize(vocab_size);
  is_seen_.resize(vocab_size);
  for (const TokenId token : prompt) MarkSeen(token);
}

void SamplingState::MarkSeen(TokenId token) {
  if (is_seen_[token]) return;
  is_seen_[token] = true;
  seen_tokens_.push_back(token);
}

void SamplingState::CountToken(TokenId token) {
  if (!has_penalties_) return;
  MarkSeen(token);
  ++output_counts_[token];
}

void SamplingState::AdjustLogits(std::span<float> logits) const {
  for (const auto& [token, bias] : params_.logit_bias) logits[token] = ClampToFinite(logits[token] + bias);
  for (const TokenId token : seen_tokens_) {
    float logit = logits[token];
    logit = logit > 0 ? logit / params_.repetition_penalty : logit * params_.repetition_penalty;
    const uint32_t count = output_counts_[token];
    if (count > 0) {
      logit -= params_.presence_penalty + params_.frequency_penalty * static_cast<float>(count);
    }
    logits[token] = ClampToFinite(logit);
  }
  for (const TokenId token : params_.banned_tokens) logits[token] = std::numeric_limits<float>::lowest();
}

Sampler::Sampler(uint32_t vocab_size) : adjusted_(vocab_size), weights_(vocab_size) {}

Result<SampledToken> Sampler::Sample(std::span<const float> logits, const SamplingState& state,
                                     uint64_t position, const TokenBitmask* allowed) {
  MIMO_CHECK(logits.size() == adjusted_.size());
  const std::optional<LargestLogit> model_largest = FindLargestLogit(logits);
  if (!model_largest) return Internal("the model produced non-finite logits");

  SampledToken sampled;
  std::span<const float> adjusted = logits;
  LargestLogit largest = *model_largest;
  if (state.changes_logits() || allowed != nullptr) {
    std::copy(logits.begin(), logits.end(), adjusted_.begin());
    state.AdjustLogits(adjusted_);
    if (allowed != nullptr) KeepAllowed(*allowed, adjusted_);
    adjusted = adjusted_;
    largest = FindLargestLogit(adjusted_).value();
  }
  sampled.token =
      IsGreedy(state.params()) ? largest.token : ChooseToken(adjusted, largest.logit, state, position);
  if (state.params().report_logprobs) {
    ReportLogprobs(logits, model_largest->logit, state.params().logprobs, &sampled);
  }
  return sampled;
}

TokenId Sampler::ChooseToken(std::span<const float> logits, float largest, const SamplingState& state,
                             uint64_t position) {
  const SamplingParams& params = state.params();
  const float inverse_temperature = 1.0F / params.temperature;
  const uint64_t random_bits = RandomBits(state.seed(), position);

  if (!HasFilters(params, logits.size())) {
    uint64_t point =
        ScaleToBound(random_bits, SoftmaxWeights(logits, largest, inverse_temperature, weights_));
    TokenId token = 0;
    while (point >= weights_[token]) point -= weights_[token++];
    return token;
  }

  if (params.top_k > 0 && params.top_k < logits.size()) {
    SelectLargest(logits, params.top_k, &candidates_);
    for (Candidate& candidate : candidates_) {
      candidate.weight = SoftmaxWeight(candidate.logit, largest, inverse_temperature);
    }
  } else {
    SoftmaxWeights(logits, largest, inverse_temperature, weights_);
    candidates_.clear();
    for (size_t i = 0; i < logits.size(); ++i) {
      if (weights_[i] == 0) continue;
      candidates_.push_back({.token = static_cast<TokenId>(i), .logit = logits[i], .weight = weights_[i]});
    }
  }
  if (params.min_p > 0) KeepAboveMinP(params.min_p, &candidates_);
  if (params.typical_p < 1) KeepTypical(params.typical_p, &candidates_);
  if (params.top_p < 1) KeepNucleus(params.top_p, &candidates_);
  return CandidateAt(ScaleToBound(random_bits, SumOfWeights(candidates_)), candidates_);
}

void Sampler::ReportLogprobs(std::span<const float> logits, float largest, uint32_t num_alternatives,
                             SampledToken* sampled) {
  const double log_sum = LogSumExp(logits, largest);
  const auto logprob = [&](float logit) { return static_cast<float>(static_cast<double>(logit) - log_sum); };
  sampled->logprob = logprob(logits[sampled->token]);
  if (num_alternatives == 0) return;
  SelectLargest(logits, num_alternatives, &candidates_);
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  });
  sampled->top.reserve(candidates_.size());
  for (const Candidate& candidate : candidates_) {
    sampled->top.push_back({candidate.token, logprob(candidate.logit)});
  }
}

}  // namespace mimo
