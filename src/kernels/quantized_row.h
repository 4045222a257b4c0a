#pragma once
// The input of a product that does not multiply in float32.
//
// Int8 codes with one float32 scale per block of columns, for quantised weights: a block of weights times a
// block of activations is then a sum of integers, which is the same in any order; only the sum over blocks is
// in floating point, ascending. docs/decisions/0011-integer-products.md.
//
// Or bfloat16, for weights that are bfloat16 numbers: docs/decisions/0013-bf16-products.md.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/number_formats.h"
#include "kernels/matrix_view.h"

namespace mimo {

// Blocks of smaller magnitudes become zeros, with a scale of 0: their scale would not be a normal number, and
// a little further down its inverse would be infinite.
constexpr float kBlockMagnitudeMin = 0x1p-119F;

// What a kernel variant wants to read of its inputs.
enum class RowForm : uint8_t {
  kFloat32,
  kInt8By32,   // a scale per 32 columns
  kInt8By256,  // a scale per 256 columns
  kBf16,
};
constexpr uint32_t kNumRowForms = static_cast<uint32_t>(RowForm::kBf16) + 1;

// A row in this form is whole blocks of so many columns.
constexpr uint32_t BlockColumns(RowForm form) {
  if (form == RowForm::kInt8By32) return 32;
  return form == RowForm::kInt8By256 ? 256 : 1;
}

// Columns of a row of kBf16 with its padding: whole scale blocks of FP8 weights.
constexpr uint32_t Bf16RowColumns(uint32_t cols) {
  return (cols + kFp8BlockSize - 1) / kFp8BlockSize * kFp8BlockSize;
}

// Int8: x[c] is about scales[c / block] * codes[c]. |codes[c]| <= 127; the error is at most scale / 2, and
// scale is the block's largest magnitude / 127. A block with a value that is not finite has NaN as its scale;
// one without a magnitude of kBlockMagnitudeMin is all zeros.
//
// Bf16: x[c], rounded to nearest, ties to even: off by at most 2^-9 |x[c]|. Magnitudes above 2^128 - 2^119
// become infinite, NaN stays NaN, magnitudes below 2^-126 become zero: the instruction that multiplies would
// take them for zero anyway. Columns from `cols` on are zero.
//
// Non-owning.
struct QuantizedRow {
  int8_t* codes = nullptr;     // [cols]
  float* scales = nullptr;     // [cols / block]
  int16_t* sums_16 = nullptr;  // [cols / 16] sums of the codes of 16 columns
  int16_t* sums_32 = nullptr;  // [cols / 32] and of 32
  Bf16* bf16 = nullptr;        // [Bf16RowColumns(cols)], aligned to 64 bytes; in the memory of the others
};

// A row of `cols` columns in memory of the caller, aligned to 64 bytes, in any form. An odd number of cache
// lines: rows that lie one behind the other then begin in different sets of the first-level cache. At a
// distance of 4096 bytes, those of a tile and its weights drove each other out.
constexpr size_t QuantizedRowBytes(uint32_t cols) {
  const size_t int8 = size_t{cols} + cols / 32 * sizeof(float) + (cols / 16 + cols / 32) * sizeof(int16_t);
  const size_t bytes = std::max(int8, Bf16RowColumns(cols) * sizeof(Bf16));
  return ((bytes + 63) / 64 | 1) * 64;
}
inline QuantizedRow QuantizedRowAt(std::byte* memory, uint32_t cols) {
  QuantizedRow row;
  row.codes = reinterpret_cast<int8_t*>(memory);
  row.scales = reinterpret_cast<float*>(memory + cols);
  row.sums_16 = reinterpret_cast<int16_t*>(row.scales + cols / 32);
  row.sums_32 = row.sums_16 + cols / 16;
  row.bf16 = reinterpret_cast<Bf16*>(memory);
  return row;
}

// The row_form of variants that know no other.
constexpr RowForm FloatRows(const MatrixView& /*weights*/) { return RowForm::kFloat32; }

// The plain twin of Kernels::quantize_row.
void QuantizeRowReference(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out);

}  // namespace mimo
