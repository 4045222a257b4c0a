#pragma once

#include <cstdint>
#include <optional>

#include "engine/engine.h"

namespace CLI {
class App;
}

namespace mimo {

struct SamplingFlags {
  uint32_t num_predict = 0;  // 0 = until the model stops or the context is full
  float temperature = 1.0F;
  float top_p = 0.95F;
  uint32_t top_k = 0;
  float min_p = 0.0F;
  std::optional<uint64_t> seed;
};

// `flags` must live until the command has run.
void AddSamplingFlags(CLI::App& command, SamplingFlags* flags);

// A request without a prompt.
GenerationRequest MakeGenerationRequest(const SamplingFlags& flags);

}  // namespace mimo
