#pragma once
// How large the steps were, counted where they run and read by whoever makes metrics of it.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace mimo {

// A histogram of the tokens that a step computes: those of prompts and, one for each, of decoding sequences.
struct StepTokenCounts {
  // Inclusive; the same as vLLM's for its iterations.
  static constexpr std::array<uint32_t, 13> kUpperBounds = {1,   8,    16,   32,   64,   128,  256,
                                                            512, 1024, 2048, 4096, 8192, 16384};

  std::array<uint64_t, kUpperBounds.size() + 1> steps = {};  // by bound; the last count is of larger ones
  uint64_t tokens = 0;                                       // of all of them

  void Count(uint32_t num_tokens) {
    const auto bound = std::lower_bound(kUpperBounds.begin(), kUpperBounds.end(), num_tokens);
    ++steps[static_cast<size_t>(bound - kUpperBounds.begin())];
    tokens += num_tokens;
  }
};

}  // namespace mimo
