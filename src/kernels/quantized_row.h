#pragma once
// The input of a product with quantised weights: int8 codes with one float32 scale per block of columns.
//
// A block of weights times a block of activations is then a sum of integers, which is the same in any order;
// only the sum over blocks is in floating point, ascending. docs/decisions/0011-integer-products.md.

#include <cstddef>
#include <cstdint>

#include "kernels/matrix_view.h"

namespace mimo {

// What a kernel variant wants to read of its inputs.
enum class RowForm : uint8_t {
  kFloat32,
  kInt8By32,   // a scale per 32 columns
  kInt8By256,  // a scale per 256 columns
};

constexpr uint32_t BlockColumns(RowForm form) { return form == RowForm::kInt8By256 ? 256 : 32; }

// x[c] is about scales[c / block] * codes[c]. |codes[c]| <= 127; the error is at most scale / 2, and scale is
// the block's largest magnitude / 127. A block with a value that is not finite has NaN as its scale.
// Non-owning. Requires: the columns are whole blocks.
struct QuantizedRow {
  int8_t* codes = nullptr;     // [cols]
  float* scales = nullptr;     // [cols / block]
  int16_t* sums_16 = nullptr;  // [cols / 16] sums of the codes of 16 columns
  int16_t* sums_32 = nullptr;  // [cols / 32] and of 32
};

// A row of `cols` columns in memory of the caller, aligned to 64 bytes, in either form.
constexpr size_t QuantizedRowBytes(uint32_t cols) {
  const size_t bytes = size_t{cols} + cols / 32 * sizeof(float) + (cols / 16 + cols / 32) * sizeof(int16_t);
  return (bytes + 63) / 64 * 64;
}
inline QuantizedRow QuantizedRowAt(std::byte* memory, uint32_t cols) {
  QuantizedRow row;
  row.codes = reinterpret_cast<int8_t*>(memory);
  row.scales = reinterpret_cast<float*>(memory + cols);
  row.sums_16 = reinterpret_cast<int16_t*>(row.scales + cols / 32);
  row.sums_32 = row.sums_16 + cols / 16;
  return row;
}

// The row_form of variants that know no other.
constexpr RowForm FloatRows(const MatrixView& /*weights*/) { return RowForm::kFloat32; }

// The plain twin of Kernels::quantize_row.
void QuantizeRowReference(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out);

}  // namespace mimo
