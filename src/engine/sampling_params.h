#pragma once
// How one sequence chooses its tokens. Defaults leave the model's distribution as it is.

#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"

namespace mimo {

struct SamplingParams {
  float temperature = 1.0F;  // 0 = greedy
  uint32_t top_k = 0;        // 0 = all
  float top_p = 1.0F;        // nucleus: smallest set whose mass reaches this
  float min_p = 0.0F;        // drops tokens below this share of the likeliest one
  float typical_p = 1.0F;    // locally typical sampling, arXiv 2202.00666
  float repetition_penalty =
      1.0F;  // divides (or multiplies, if negative) logits of tokens seen in prompt and output
  float presence_penalty = 0.0F;   // subtracted once from tokens of the output
  float frequency_penalty = 0.0F;  // subtracted once per occurrence in the output
  std::vector<std::pair<TokenId, float>> logit_bias = {};
  std::vector<TokenId> banned_tokens = {};  // never chosen, whatever bias and penalties say
  std::optional<uint64_t> seed = {};  // equal seed, request and model give equal tokens, alone or in a batch
  uint32_t logprobs = 0;              // alternatives to report per token, at most kLogprobsMax
  bool report_logprobs = false;
};
constexpr uint32_t kLogprobsMax = 20;

// kInvalidArgument names the field and its range.
Status CheckSamplingParams(const SamplingParams& params, uint32_t vocab_size);

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // natural logarithm, of the model's own distribution (before temperature and penalties)
};

struct SampledToken {
  TokenId token = 0;
  float logprob = 0;
  std::vector<TokenLogprob> top = {};  // likeliest first; `logprobs` entries
};

}  // namespace mimo
