#pragma once
// The generated classes of code points; text/unicode.h is how to use them.

#include <array>
#include <cstdint>
#include <span>

namespace mimo {

// From `first` up to the next run's first, every code point has these CodePointFlags.
struct CodePointRun {
  uint32_t first;
  uint8_t flags;
};

// In ascending order, the first run at 0.
std::span<const CodePointRun> CodePointRuns();

}  // namespace mimo
