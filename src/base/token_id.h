#pragma once

#include <cstdint>

namespace mimo {

// Index of a row of the embedding.
using TokenId = uint32_t;

}  // namespace mimo
