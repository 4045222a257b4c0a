#pragma once
// Which rows of a bound model's matrices each tensor of its GGUF file consists of.

#include <cstdint>
#include <vector>

#include "kernels/matrix_view.h"
#include "weights/model_config.h"
#include "weights/model_weights.h"
#include "weights/tensor_table.h"

namespace mimo {

// Consecutive rows of a source matrix that become the rows from `first_row` on of an output tensor, whose
// dimensions before the last count as one.
struct RowRange {
  MatrixView matrix;
  uint32_t begin = 0;
  uint32_t end = 0;
  uint64_t first_row = 0;
};

// The configuration of the file: flat qkv, and a head of its own.
ModelConfig GgufConfigOf(const ModelConfig& config);

// `spec` is of TensorTable(GgufConfigOf(config), kGguf); `weights` may be chunked and tied. Stacked experts
// are one range each, in order. Vectors are matrices of one row. Views of both arguments, which must outlive
// the result.
std::vector<RowRange> FindGgufRows(const ModelConfig& config, const ModelWeights& weights,
                                   const TensorSpec& spec);

}  // namespace mimo
