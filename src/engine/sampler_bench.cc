// Time of one token over a vocabulary of the published models' size. It must stay small beside a decode step,
// which reads gigabytes of weights.

#include <benchmark/benchmark.h>

#include <utility>

#include "engine/sampler.h"
#include "engine/sampler_testutil.h"

namespace mimo {
namespace {

constexpr uint32_t kVocabSize = 152'576;

void SampleTokens(benchmark::State& bench, SamplingParams params, float scale) {
  const std::vector<float> logits = RandomLogits(kVocabSize, 1, scale);
  std::vector<TokenId> prompt(4000);
  for (uint32_t i = 0; i < prompt.size(); ++i) prompt[i] = i * 37 % kVocabSize;
  const SamplingState state(std::move(params), 1, prompt, kVocabSize);
  Sampler sampler(kVocabSize);
  uint64_t position = 0;
  for (auto _ : bench) benchmark::DoNotOptimize(sampler.Sample(logits, state, position++));
}

// Scale 12: about as peaked as a language model's logits. Scale 0.1: nearly flat, the worst case.
BENCHMARK_CAPTURE(SampleTokens, greedy, SamplingParams{.temperature = 0}, 12.0F);
BENCHMARK_CAPTURE(SampleTokens, unfiltered, SamplingParams{}, 12.0F);
BENCHMARK_CAPTURE(SampleTokens, top_k_40, SamplingParams{.top_k = 40}, 12.0F);
BENCHMARK_CAPTURE(SampleTokens, top_p_95, SamplingParams{.top_p = 0.95F}, 12.0F);
BENCHMARK_CAPTURE(SampleTokens, top_p_95_flat, SamplingParams{.top_p = 0.95F}, 0.1F);
BENCHMARK_CAPTURE(SampleTokens, min_p_5, SamplingParams{.min_p = 0.05F}, 12.0F);
BENCHMARK_CAPTURE(SampleTokens, typical_90, SamplingParams{.typical_p = 0.9F}, 12.0F);
BENCHMARK_CAPTURE(SampleTokens, penalties, SamplingParams{.top_k = 40, .repetition_penalty = 1.1F}, 12.0F);
BENCHMARK_CAPTURE(SampleTokens, logprobs,
                  SamplingParams{.temperature = 0, .logprobs = 20, .report_logprobs = true}, 12.0F);

}  // namespace
}  // namespace mimo
