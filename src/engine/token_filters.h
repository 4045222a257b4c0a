#pragma once
// The filters of the sampler. Each drops candidates and works on the mass of those that are left. None sorts
// the whole vocabulary: each is linear in the number of candidates.

#include <cstdint>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "text/grammar.h"

namespace mimo {

struct Candidate {
  TokenId token = 0;
  float logit = 0;
  float atypicality = 0;  // set and used by KeepTypical
  uint64_t weight = 0;    // softmax.h
};

// Lowers the logits of tokens that are not allowed until their weight is 0 beside any that is.
void KeepAllowed(const TokenBitmask& allowed, std::span<float> logits);

// The `count` largest logits, the lower id first among equals, in no order. Weights are not set.
// Overwrites `candidates`. Requires: 0 < count.
void SelectLargest(std::span<const float> logits, uint32_t count, std::vector<Candidate>* candidates);

// Drops candidates below `min_p` of the likeliest token of the distribution.
void KeepAboveMinP(float min_p, std::vector<Candidate>* candidates);

// Keeps the smallest set of tokens whose surprise is closest to the entropy and whose mass reaches
// `typical_p`. Source: locally typical sampling, arXiv 2202.00666.
void KeepTypical(float typical_p, std::vector<Candidate>* candidates);

// Keeps the smallest set of likeliest tokens whose mass reaches `top_p`, at least one.
void KeepNucleus(float top_p, std::vector<Candidate>* candidates);

// The candidate that covers `point` when they lie side by side in the order of their ids, each as wide as its
// weight. Reorders `candidates`. Requires: point < the sum of weights.
TokenId CandidateAt(uint64_t point, std::span<Candidate> candidates);

uint64_t SumOfWeights(std::span<const Candidate> candidates);

}  // namespace mimo
