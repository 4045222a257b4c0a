#pragma once

#include <cstdint>

namespace mimo {

// Bytes a second that `num_threads` threads read together from memory that no cache holds: the best of a few
// passes over half a gigabyte, about a second in all. 0: one thread per core.
double MeasureReadBandwidth(uint32_t num_threads);

}  // namespace mimo
