#pragma once
// What Requantize will write: each tensor, its type, the rows that it is made of and their importance.

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "weights/gguf_rows.h"
#include "weights/importance_matrix.h"
#include "weights/quantize_row.h"
#include "weights/requantize.h"
#include "weights/safetensors_writer.h"

namespace mimo {

struct OutputTensor {
  TensorLayout layout;
  std::vector<RowRange> ranges;
  ColumnImportance importance;

  size_t cols() const { return static_cast<size_t>(layout.shape.back()); }
  uint64_t num_rows() const { return ranges.back().first_row + ranges.back().end - ranges.back().begin; }
  uint64_t num_elements() const { return num_rows() * cols(); }
  size_t row_bytes() const { return QuantizedRowBytes(layout.type, cols()); }
  // Stacked experts, else 1.
  uint64_t num_matrices() const { return layout.shape.size() == 3 ? layout.shape[0] : 1; }
  // [cols] or empty: of the matrix that row `row` belongs to.
  std::span<const float> ImportanceOfRow(uint64_t row) const {
    return importance.Of(static_cast<uint32_t>(row / (num_rows() / num_matrices())));
  }
  // Whether rows of `range` become rows of the type `type` by copying them.
  static bool CanCopy(const RowRange& range, StoredType type);
};

struct TypeErrorBuffers {
  std::vector<float> row;
  std::vector<float> read_back;
  std::vector<std::byte> bytes;
};

// How far the tensor is from its source in a type: the sum of importance * (change of a weight)^2 over that
// of importance * weight^2, for a sample of rows. Infinite where the type cannot hold a number. Any thread,
// with buffers of its own.
double MeasureTypeError(const OutputTensor& tensor, StoredType type, TypeErrorBuffers& buffers);

struct RequantizePlan {
  std::vector<OutputTensor> tensors;  // in the order of the file; offsets are not set
  std::vector<TypeChoice> choices;    // with bits_per_weight
};

// Errors as Requantize.
Result<RequantizePlan> PlanRequantize(const ModelConfig& config, const ModelWeights& weights,
                                      const RequantizeOptions& options);

}  // namespace mimo
