#pragma once
// Which type each tensor gets when all together must fit into so many bytes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "weights/checkpoint.h"

namespace mimo {

// What a tensor costs and loses in a type.
struct TypeOption {
  StoredType type = StoredType::kF32;
  uint64_t bytes = 0;
  double error = 0;  // errors of all tensors add up; finite, not negative
};

// An index into the options of each tensor, so that the sum of the errors is small and that of the bytes at
// most `bytes_max`. Nothing when even the smallest options are too large. Requires: at least one option a
// tensor.
//
// Everybody starts with the smallest option; then the step with the largest gain per byte is taken, again and
// again. Along the lower convex hull of each tensor's options this is the best use of the bytes spent so far
// (the method of Lagrange); what is left at the end goes to the largest gains that still fit.
std::optional<std::vector<size_t>> FitTypesIntoBudget(const std::vector<std::vector<TypeOption>>& tensors,
                                                      uint64_t bytes_max);

}  // namespace mimo
