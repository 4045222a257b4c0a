#include "apps/commands/sampling_flags.h"

#include <CLI/CLI.hpp>

namespace mimo {

void AddSamplingFlags(CLI::App& command, SamplingFlags* flags) {
  command.add_option("-n,--num-predict", flags->num_predict,
                     "most tokens to generate; 0: until the model stops or the context is full");
  command.add_option("--temperature", flags->temperature, "0: always the likeliest token")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  command.add_option("--top-p", flags->top_p, "smallest set of tokens with this mass")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--top-k", flags->top_k, "this many likeliest tokens; 0: all");
  command.add_option("--min-p", flags->min_p, "tokens with at least this share of the likeliest one's")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--seed", flags->seed, "equal seeds give equal replies");
}

GenerationRequest MakeGenerationRequest(const SamplingFlags& flags) {
  GenerationRequest request;
  request.max_tokens = flags.num_predict;
  request.sampling.temperature = flags.temperature;
  request.sampling.top_p = flags.top_p;
  request.sampling.top_k = flags.top_k;
  request.sampling.min_p = flags.min_p;
  request.sampling.seed = flags.seed;
  return request;
}

}  // namespace mimo
