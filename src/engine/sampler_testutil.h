#pragma once
// Rows of random logits, and the sampler's filters written down naively.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/token_id.h"
#include "engine/sampling_params.h"
#include "engine/sampling_random.h"

namespace mimo {

// Roughly bell-shaped, so that a few tokens stand out as in a real model.
inline std::vector<float> RandomLogits(size_t vocab_size, uint64_t seed, float scale = 4.0F) {
  std::vector<float> logits(vocab_size);
  for (size_t i = 0; i < vocab_size; ++i) {
    double sum = 0;
    for (uint64_t part = 0; part < 6; ++part) {
      sum += static_cast<double>(RandomBits(seed, i * 6 + part) >> 11) * 0x1p-53 - 0.5;
    }
    logits[i] = static_cast<float>(sum) * scale;
  }
  return logits;
}

// The tokens that a sampler with these parameters may choose, ascending: everything sorted, in double.
inline std::vector<TokenId> NaiveSupport(const std::vector<float>& logits, const SamplingParams& params) {
  struct Entry {
    TokenId token;
    double probability;
    double atypicality;
  };
  std::vector<Entry> entries(logits.size());
  const float largest = *std::max_element(logits.begin(), logits.end());
  for (size_t i = 0; i < logits.size(); ++i) {
    const double scaled = (static_cast<double>(logits[i]) - static_cast<double>(largest)) /
                          static_cast<double>(params.temperature);
    entries[i] = {static_cast<TokenId>(i), std::exp(scaled), 0};
  }
  const auto by_logit = [&](const Entry& a, const Entry& b) {
    return logits[a.token] != logits[b.token] ? logits[a.token] > logits[b.token] : a.token < b.token;
  };
  const auto total = [&] {
    return std::accumulate(entries.begin(), entries.end(), 0.0,
                           [](double sum, const Entry& entry) { return sum + entry.probability; });
  };
  const auto keep_mass = [&](double mass) {
    const double all = total();
    double sum = 0;
    size_t count = 0;
    while (count < entries.size() && (count == 0 || sum < mass * all)) sum += entries[count++].probability;
    entries.resize(count);
  };

  std::sort(entries.begin(), entries.end(), by_logit);
  if (params.top_k > 0 && params.top_k < entries.size()) entries.resize(params.top_k);
  std::erase_if(entries,
                [&](const Entry& entry) { return entry.probability < static_cast<double>(params.min_p); });
  if (params.typical_p < 1) {
    const double all = total();
    double entropy = 0;
    for (const Entry& entry : entries) {
      entropy -= entry.probability / all * std::log(entry.probability / all);
    }
    for (Entry& entry : entries) {
      entry.atypicality = std::fabs(-std::log(entry.probability / all) - entropy);
    }
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.atypicality < b.atypicality; });
    keep_mass(static_cast<double>(params.typical_p));
  }
  if (params.top_p < 1) {
    std::sort(entries.begin(), entries.end(), by_logit);
    keep_mass(static_cast<double>(params.top_p));
  }
  std::vector<TokenId> tokens;
  for (const Entry& entry : entries) tokens.push_back(entry.token);
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

}  // namespace mimo
