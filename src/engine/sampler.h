#pragma once
// Logits -> one token.
//
//   bias -> penalties -> bans -> grammar -> temperature -> top-k -> min-p -> typical -> top-p -> draw
//
// Each step works on what the one before left. Bias and penalties come before the temperature, as in vLLM and
// llama.cpp; the filters follow it, as in vLLM (llama.cpp divides by the temperature last). Top-k and min-p
// commute. Log-probabilities are those of the model's own distribution, before all of this.

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "engine/sampling_params.h"
#include "engine/token_filters.h"
#include "text/grammar.h"

namespace mimo {

// What one sequence brings to the sampler: its parameters, its seed, and the tokens that penalties look at.
class SamplingState {
 public:
  // Requires: CheckSamplingParams accepted `params`; prompt tokens < vocab_size.
  // `seed` is used when the parameters name none.
  SamplingState(SamplingParams params, uint64_t seed, std::span<const TokenId> prompt, uint32_t vocab_size);

  const SamplingParams& params() const { return params_; }
  uint64_t seed() const { return seed_; }
  bool changes_logits() const {
    return has_penalties_ || !params_.logit_bias.empty() || !params_.banned_tokens.empty();
  }

  // Applies bias, penalties and bans in place. The result is finite.
  void AdjustLogits(std::span<float> logits) const;
  // Counts a token of the output.
  void CountToken(TokenId token);

 private:
  void MarkSeen(TokenId token);

  SamplingParams params_;
  uint64_t seed_;
  bool has_penalties_;
  // Empty without penalties.
  std::vector<uint32_t> output_counts_;  // [vocab_size]
  std::vector<bool> is_seen_;            // [vocab_size], in prompt or output
  std::vector<TokenId> seen_tokens_;     // each once
};

// Scratch memory for one row at a time; allocates only until its buffers have grown to the vocabulary.
// Not thread-safe.
class Sampler {
 public:
  explicit Sampler(uint32_t vocab_size);

  // Chooses the token at `position` of a sequence from `logits` [vocab_size]. A pure function of its
  // arguments. kInternal when a logit is NaN or infinite. `allowed` (null: all) restricts the choice, but not
  // what is reported as log-probabilities. Requires: it has a token below vocab_size.
  Result<SampledToken> Sample(std::span<const float> logits, const SamplingState& state, uint64_t position,
                              const TokenBitmask* allowed = nullptr);

 private:
  TokenId ChooseToken(std::span<const float> logits, float largest, const SamplingState& state,
                      uint64_t position);
  void ReportLogprobs(std::span<const float> logits, float largest, uint32_t num_alternatives,
                      SampledToken* sampled);

  std::vector<float> adjusted_;    // [vocab_size]
  std::vector<uint64_t> weights_;  // [vocab_size]
  std::vector<Candidate> candidates_;
};

}  // namespace mimo
