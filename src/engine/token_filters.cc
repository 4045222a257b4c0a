#include "engine/token_filters.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "engine/softmax.h"

namespace mimo {
namespace {

bool IsLikelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

bool IsMoreTypical(const Candidate& a, const Candidate& b) {
  return a.atypicality != b.atypicality ? a.atypicality < b.atypicality : a.token < b.token;
}

bool HasLowerId(const Candidate& a, const Candidate& b) { return a.token < b.token; }

// Reorders `candidates` so that the first n are the shortest prefix, in the order of `is_before`, whose
// weights reach `mass`; the n-th is the last of them. Returns n, or all when the mass is never reached.
//
// A quickselect by mass: halves the range that holds the boundary, so the work is linear.
template <typename Order>
size_t SelectPrefixByMass(std::span<Candidate> candidates, uint64_t mass, Order is_before) {
  constexpr size_t kSortedDirectly = 64;
  size_t begin = 0;
  size_t end = candidates.size();
  uint64_t mass_before = 0;  // of [0, begin)
  while (end - begin > kSortedDirectly) {
    const size_t middle = begin + (end - begin) / 2;
    const auto first = candidates.begin();
    std::nth_element(first + static_cast<ptrdiff_t>(begin), first + static_cast<ptrdiff_t>(middle),
                     first + static_cast<ptrdiff_t>(end), is_before);
    const uint64_t lower_mass = SumOfWeights(candidates.subspan(begin, middle - begin));
    if (mass_before + lower_mass >= mass) {
      end = middle;
    } else {
      mass_before += lower_mass;
      begin = middle;
    }
  }
  const std::span<Candidate> rest = candidates.subspan(begin, end - begin);
  std::sort(rest.begin(), rest.end(), is_before);
  for (size_t i = 0; i < rest.size(); ++i) {
    mass_before += rest[i].weight;
    if (mass_before >= mass) return begin + i + 1;
  }
  return end;
}

uint64_t ShareOf(uint64_t total, float share) {
  const auto mass = static_cast<uint64_t>(std::ceil(static_cast<double>(total) * static_cast<double>(share)));
  return std::clamp<uint64_t>(mass, 1, total);
}

}  // namespace

uint64_t SumOfWeights(std::span<const Candidate> candidates) {
  uint64_t sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  return sum;
}

// An allowed logit stays above: finite numbers have a smallest one, which is for the others alone.
void KeepAllowed(const TokenBitmask& allowed, std::span<float> logits) {
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  const std::span<const uint64_t> words = allowed.words();
  for (size_t begin = 0; begin < logits.size(); begin += 64) {
    const size_t end = std::min(begin + 64, logits.size());
    const uint64_t word = begin / 64 < words.size() ? words[begin / 64] : 0;
    if (word == 0) {
      std::fill(logits.begin() + static_cast<ptrdiff_t>(begin), logits.begin() + static_cast<ptrdiff_t>(end),
                kLowest);
      continue;
    }
    for (size_t i = begin; i < end; ++i) {
      const bool is_allowed = (word >> (i - begin) & 1) != 0;
      logits[i] = is_allowed ? std::max(logits[i], 0.5F * kLowest) : kLowest;
    }
  }
}

// Collects what may still be among the largest; whenever twice the wanted number is there, the lower half
// goes and the bound rises. Each halving is paid for by the insertions before it.
void SelectLargest(std::span<const float> logits, uint32_t count, std::vector<Candidate>* candidates) {
  MIMO_CHECK(count > 0);
  candidates->clear();
  const size_t full = std::max<size_t>(size_t{2} * count, 64);
  const auto halve = [&] {
    const auto boundary = candidates->begin() + count - 1;
    std::nth_element(candidates->begin(), boundary, candidates->end(), IsLikelier);
    candidates->resize(count);
  };
  bool is_bounded = false;
  float bound = 0;  // an equal logit that comes later has a higher id, so only larger ones join
  for (size_t i = 0; i < logits.size(); ++i) {
    if (is_bounded && !(logits[i] > bound)) continue;
    candidates->push_back({.token = static_cast<TokenId>(i), .logit = logits[i]});
    if (candidates->size() == full) {
      halve();
      is_bounded = true;
      bound = candidates->back().logit;
    }
  }
  if (candidates->size() > count) halve();
}

void KeepAboveMinP(float min_p, std::vector<Candidate>* candidates) {
  const uint64_t weight_min = ShareOf(kWeightOne, min_p);
  std::erase_if(*candidates, [&](const Candidate& candidate) { return candidate.weight < weight_min; });
}

void KeepTypical(float typical_p, std::vector<Candidate>* candidates) {
  std::erase_if(*candidates, [](const Candidate& candidate) { return candidate.weight == 0; });
  const uint64_t total = SumOfWeights(*candidates);
  const double log_total = std::log(static_cast<double>(total));
  double entropy = 0;  // H = sum p * -log p, in nats
  for (Candidate& candidate : *candidates) {
    const auto weight = static_cast<double>(candidate.weight);
    const double surprise = log_total - std::log(weight);
    candidate.atypicality = static_cast<float>(surprise);
    entropy += weight / static_cast<double>(total) * surprise;
  }
  for (Candidate& candidate : *candidates) {
    candidate.atypicality =
        static_cast<float>(std::fabs(static_cast<double>(candidate.atypicality) - entropy));
  }
  candidates->resize(SelectPrefixByMass(*candidates, ShareOf(total, typical_p), IsMoreTypical));
}

void KeepNucleus(float top_p, std::vector<Candidate>* candidates) {
  const uint64_t total = SumOfWeights(*candidates);
  // Candidates below half their share of what the nucleus leaves out weigh too little together to be needed.
  // Dropping them first makes the selection cheap: of 150 000 tokens a few thousand remain.
  const double left_out = static_cast<double>(total) * (1.0 - static_cast<double>(top_p));
  const auto negligible = static_cast<uint64_t>(0.5 * left_out / static_cast<double>(candidates->size()));
  std::erase_if(*candidates, [&](const Candidate& candidate) { return candidate.weight < negligible; });
  candidates->resize(SelectPrefixByMass(*candidates, ShareOf(total, top_p), IsLikelier));
}

TokenId CandidateAt(uint64_t point, std::span<Candidate> candidates) {
  return candidates[SelectPrefixByMass(candidates, point + 1, HasLowerId) - 1].token;
}

}  // namespace mimo
