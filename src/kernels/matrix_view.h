#pragma once
// A weight matrix in the form in which its checkpoint stores it. Kernels read it in place: nothing is
// converted when a model is loaded, so the mapped file stays the only copy in memory.

#include <cstddef>
#include <cstdint>

namespace mimo {

// How one element, or one block of elements, is stored.
enum class WeightType : uint8_t {
  kF32,
  kF16,
  kBf16,
  kFp8E4M3,  // one byte each, times a float32 scale per 128x128 block (released FP8 checkpoints)
  kMxFp4,    // two E2M1 codes a byte, the even column in the low nibble, times an E8M0 scale per 32 columns
  kQ80,      // ggml's q8_0: blocks of 32 columns, each a float16 scale and 32 int8 codes, 34 bytes
};

constexpr uint32_t kFp8BlockSize = 128;   // rows and columns that share one scale
constexpr uint32_t kMxFp4BlockSize = 32;  // columns that share one scale
constexpr uint32_t kQ80BlockSize = 32;    // columns that share one scale
constexpr size_t kQ80BlockBytes = 34;     // the scale, then the codes

// Non-owning; the checkpoint's mapping must outlive it. y = W x with W [rows, cols], row-major.
// No pointer is assumed to be aligned: safetensors packs tensors end to end.
struct MatrixView {
  WeightType type = WeightType::kF32;
  uint32_t rows = 0;
  uint32_t cols = 0;
  const std::byte* data = nullptr;
  size_t row_bytes = 0;  // distance between rows of `data`

  // kFp8E4M3: float32 [scale rows, ceil(cols / 128)]. The matrix consists of equal chunks of `rows_per_chunk`
  // rows, and the 128-row grid of scales starts anew in each: row r has the scale row (r / rows_per_chunk) *
  // ceil(rows_per_chunk / 128) + (r % rows_per_chunk) / 128. kMxFp4: E8M0 bytes [rows, cols / 32]. Others:
  // null.
  const std::byte* scales = nullptr;
  uint32_t rows_per_chunk = 0;  // kFp8E4M3 only; = rows for an ordinary grid
};

// Bytes of one row of `data`, without the scales that stand apart from it.
constexpr size_t RowBytes(WeightType type, uint32_t cols) {
  switch (type) {
    case WeightType::kF32:
      return size_t{4} * cols;
    case WeightType::kF16:
    case WeightType::kBf16:
      return size_t{2} * cols;
    case WeightType::kFp8E4M3:
      return cols;
    case WeightType::kMxFp4:
      return cols / 2;
    case WeightType::kQ80:
      return cols / kQ80BlockSize * kQ80BlockBytes;
  }
  return 0;
}

// The name used in messages and by `mimo inspect`.
constexpr const char* WeightTypeName(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return "f32";
    case WeightType::kF16:
      return "f16";
    case WeightType::kBf16:
      return "bf16";
    case WeightType::kFp8E4M3:
      return "fp8_e4m3";
    case WeightType::kMxFp4:
      return "mxfp4";
    case WeightType::kQ80:
      return "q8_0";
  }
  return "?";
}

// Columns [begin, end) of one row.
struct ColumnRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// Writes a part of row `row` to `out` [columns.end - columns.begin], exactly.
void DequantizeColumns(const MatrixView& matrix, uint32_t row, ColumnRange columns, float* out);

// Writes row `row` of `matrix` to `out` [cols], exactly.
inline void DequantizeRow(const MatrixView& matrix, uint32_t row, float* out) {
  DequantizeColumns(matrix, row, {0, matrix.cols}, out);
}

}  // namespace mimo
