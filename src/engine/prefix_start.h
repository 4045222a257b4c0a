#pragma once

#include <cstdint>

namespace mimo {

// Where a sequence begins that found keys in the cache; the fields of SequenceChunk.
struct PrefixStart {
  uint32_t first_position = 0;
  uint32_t cached_end = 0;
  uint32_t window_begin = 0;
};

}  // namespace mimo
