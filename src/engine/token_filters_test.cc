#include "engine/token_filters.h"

#include <gtest/gtest.h>

#include "engine/sampler_testutil.h"
#include "engine/softmax.h"

namespace mimo {
namespace {

std::vector<Candidate> AllCandidates(const std::vector<float>& logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates.push_back({.token = static_cast<TokenId>(i),
                          .logit = logits[i],
                          .weight = SoftmaxWeight(logits[i], largest, 1)});
  }
  return candidates;
}

std::vector<TokenId> SortedTokens(const std::vector<Candidate>& candidates) {
  std::vector<TokenId> tokens;
  for (const Candidate& candidate : candidates) tokens.push_back(candidate.token);
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

TEST(SelectLargest, AgreesWithASortOnRandomRows) {
  for (const uint32_t size : {1U, 2U, 63U, 500U, 20'000U}) {
    for (const uint32_t count : {1U, 2U, 40U, 64U, 499U, 19'999U}) {
      if (count > size) continue;
      std::vector<Candidate> candidates;
      const std::vector<float> logits = RandomLogits(size, size + count);
      SelectLargest(logits, count, &candidates);
      EXPECT_EQ(SortedTokens(candidates), NaiveSupport(logits, {.top_k = count})) << size << " " << count;
    }
  }
}

TEST(SelectLargest, AgreesWithASortOnAscendingAndEqualRows) {
  std::vector<float> ascending(1000);
  std::iota(ascending.begin(), ascending.end(), 0.0F);
  std::vector<Candidate> candidates;
  SelectLargest(ascending, 3, &candidates);
  EXPECT_EQ(SortedTokens(candidates), (std::vector<TokenId>{997, 998, 999}));

  SelectLargest(std::vector<float>(1000, 1.0F), 3, &candidates);
  EXPECT_EQ(SortedTokens(candidates), (std::vector<TokenId>{0, 1, 2}));
}

TEST(KeepNucleus, AgreesWithASort) {
  for (const float top_p : {0.0F, 0.1F, 0.5F, 0.9F, 0.99F}) {
    for (const float scale : {0.1F, 1.0F, 8.0F}) {
      for (uint64_t seed = 0; seed < 3; ++seed) {
        const std::vector<float> logits = RandomLogits(3000, seed, scale);
        std::vector<Candidate> candidates = AllCandidates(logits);
        KeepNucleus(top_p, &candidates);
        const std::vector<TokenId> naive = NaiveSupport(logits, {.top_p = top_p});
        // The last token may differ where a rounding decides whether the mass is reached.
        EXPECT_NEAR(static_cast<double>(candidates.size()), static_cast<double>(naive.size()), 1);
        std::vector<TokenId> both;
        const std::vector<TokenId> ours = SortedTokens(candidates);
        std::set_intersection(ours.begin(), ours.end(), naive.begin(), naive.end(), std::back_inserter(both));
        EXPECT_EQ(both.size(), std::min(ours.size(), naive.size()));
      }
    }
  }
}

TEST(KeepTypical, AgreesWithASort) {
  for (const float typical_p : {0.1F, 0.5F, 0.95F}) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const std::vector<float> logits = RandomLogits(1000, seed, 3.0F);
      std::vector<Candidate> candidates = AllCandidates(logits);
      KeepTypical(typical_p, &candidates);
      const std::vector<TokenId> naive = NaiveSupport(logits, {.typical_p = typical_p});
      EXPECT_NEAR(static_cast<double>(candidates.size()), static_cast<double>(naive.size()), 1);
    }
  }
}

TEST(KeepNucleus, TakesTheLowerIdsOfEqualTokens) {
  std::vector<Candidate> candidates = AllCandidates(std::vector<float>(1000, 2.0F));
  KeepNucleus(0.25F, &candidates);
  EXPECT_EQ(candidates.size(), 250U);
  EXPECT_EQ(SortedTokens(candidates).back(), 249U);
}

TEST(CandidateAt, CoversEachCandidateByItsWeight) {
  const auto token_at = [](uint64_t point) {
    std::vector<Candidate> candidates = {{.token = 9, .weight = 2}, {.token = 4, .weight = 3}, {.token = 7}};
    return CandidateAt(point, candidates);
  };
  EXPECT_EQ(token_at(0), 4U);
  EXPECT_EQ(token_at(2), 4U);
  EXPECT_EQ(token_at(3), 9U);
  EXPECT_EQ(token_at(4), 9U);
}

}  // namespace
}  // namespace mimo
