#pragma once

#include <cstdint>
#include <span>

namespace mimo {

// Code points first, first + step, ..., last fold to themselves plus `delta`.
struct CaseFoldingRange {
  uint32_t first;
  uint32_t last;
  uint32_t step;
  int32_t delta;
};

// Ascending, disjoint; code points from 0x80 on (ASCII is the reader's own).
std::span<const CaseFoldingRange> CaseFoldingRanges();

}  // namespace mimo
