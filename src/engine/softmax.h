#pragma once
// Loops over a whole row of logits.
//
// Probabilities are fixed-point integers relative to the likeliest token. Integer sums are exact in any
// order, so a choice made after a partial selection (whose order is the C++ library's business) is the same
// everywhere.

#include <cstdint>
#include <optional>
#include <span>

#include "base/token_id.h"

namespace mimo {

// Weight of the likeliest token. 2^40 leaves room for 2^24 tokens in a uint64_t; a token whose probability is
// less than 2^-41 of the likeliest one's has weight 0.
constexpr uint64_t kWeightOne = uint64_t{1} << 40;

struct LargestLogit {
  TokenId token = 0;  // the lowest id among equals
  float logit = 0;
};

// Nothing when a logit is NaN or infinite. Requires: at least one logit.
std::optional<LargestLogit> FindLargestLogit(std::span<const float> logits);

// Fixed-point exp((logit - largest) * inverse_temperature). Requires: logit <= largest.
uint64_t SoftmaxWeight(float logit, float largest, float inverse_temperature);

// SoftmaxWeight of each logit into `weights`, of the same size. Returns their sum.
uint64_t SoftmaxWeights(std::span<const float> logits, float largest, float inverse_temperature,
                        std::span<uint64_t> weights);

// log(sum of exp(logit)).
double LogSumExp(std::span<const float> logits, float largest);

}  // namespace mimo
