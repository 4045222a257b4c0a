#pragma once
// What the simulations of the engine share: seeded randomness, and the tokens of a request by the definition.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/engine_testutil.h"
#include "engine/sampler.h"

namespace mimo {

class Random {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}
  // Uniform in [low, high].
  uint32_t Between(uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>(ScaleToBound(RandomBits(seed_, draws_++), high - low + 1));
  }

 private:
  const uint64_t seed_;
  uint64_t draws_ = 0;
};

// The tokens of a request by the definition: no scheduler, no cache, no thread.
inline std::vector<TokenId> TokensByDefinition(const GenerationRequest& request, uint32_t context_max) {
  Sampler sampler(kTestVocabSize);
  SamplingState state(request.sampling, 0, request.prompt, kTestVocabSize);
  std::vector<TokenId> text = request.prompt;
  std::vector<TokenId> output;
  size_t length_max = std::max<size_t>(1, context_max - request.prompt.size());
  if (request.max_tokens != 0) length_max = std::min<size_t>(length_max, request.max_tokens);
  while (output.size() < length_max) {
    const TokenId token = sampler.Sample(HashLogits(text), state, text.size()).value().token;
    state.CountToken(token);
    text.push_back(token);
    output.push_back(token);
    if (token == kEndToken && !request.ignore_eos) break;
  }
  return output;
}

inline bool StartsWith(const std::vector<TokenId>& whole, const std::vector<TokenId>& start) {
  return start.size() <= whole.size() && std::equal(start.begin(), start.end(), whole.begin());
}

inline void ExpectSameAsAlone(const GenerationRequest& request, const EventCollector::Outcome& outcome,
                              uint32_t context_max) {
  const std::vector<TokenId> expected = TokensByDefinition(request, context_max);
  EXPECT_TRUE(StartsWith(expected, outcome.tokens));
  const bool cut_short = outcome.finish == FinishReason::kCancelled || !outcome.stop_string.empty();
  if (!cut_short) {
    EXPECT_EQ(outcome.tokens.size(), expected.size());
    const bool ends = expected.back() == kEndToken && !request.ignore_eos;
    EXPECT_EQ(outcome.finish, ends ? FinishReason::kStop : FinishReason::kLength);
  }
  for (const std::string& stop : request.stop_strings) {
    EXPECT_EQ(outcome.text.find(stop), std::string::npos);
  }
}

}  // namespace mimo
