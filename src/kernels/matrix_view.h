#pragma once
// A weight matrix in the form in which its checkpoint stores it, which every kernel can read in place; or,
// for types that are multiplied in integers, in panels of rows (weight_panels.h).

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace mimo {

// How one element, or one block of consecutive columns of a row, is stored. The types from kQ80 on are ggml's
// block types; block_layouts.h draws their blocks.
enum class WeightType : uint8_t {
  kF32,
  kF16,
  kBf16,
  kFp8E4M3,  // one byte each, times a float32 scale per 128x128 block (released FP8 checkpoints)
  kMxFp4,    // two E2M1 codes a byte, the even column in the low nibble, times an E8M0 scale per 32 columns
             // that stands apart (released MXFP4 checkpoints)
  kQ80,
  kQ40,
  kQ41,
  kQ50,
  kQ51,
  kQ2K,
  kQ3K,
  kQ4K,
  kQ5K,
  kQ6K,
  kIq4Nl,
  kIq4Xs,
  kIq3S,
  kIq3Xxs,
  kIq2S,
  kIq2Xs,
  kIq2Xxs,
  kIq1S,
  kIq1M,
  kMxFp4Block,  // ggml's mxfp4: the scale stands in front of each block's codes
  kNvFp4,
};
constexpr uint32_t kNumWeightTypes = static_cast<uint32_t>(WeightType::kNvFp4) + 1;

constexpr uint32_t kFp8BlockSize = 128;   // rows and columns that share one scale
constexpr uint32_t kMxFp4BlockSize = 32;  // columns that share one scale
constexpr uint32_t kQ80BlockSize = 32;    // columns that share one scale
constexpr size_t kQ80BlockBytes = 34;     // the scale, then the codes
constexpr uint32_t kBlockColumnsMax = 256;

// The smallest piece of a row that can be read on its own.
struct BlockGeometry {
  const char* name;  // in messages and of `mimo inspect`
  uint32_t columns;  // a row is a whole number of blocks
  uint32_t bytes;    // without scales that stand apart
};

constexpr BlockGeometry kBlockGeometry[] = {
    // In the order of WeightType.
    {"f32", 1, 4},       {"f16", 1, 2},        {"bf16", 1, 2},      {"fp8_e4m3", 1, 1},   {"mxfp4", 32, 16},
    {"q8_0", 32, 34},    {"q4_0", 32, 18},     {"q4_1", 32, 20},    {"q5_0", 32, 22},     {"q5_1", 32, 24},
    {"q2_k", 256, 84},   {"q3_k", 256, 110},   {"q4_k", 256, 144},  {"q5_k", 256, 176},   {"q6_k", 256, 210},
    {"iq4_nl", 32, 18},  {"iq4_xs", 256, 136}, {"iq3_s", 256, 110}, {"iq3_xxs", 256, 98}, {"iq2_s", 256, 82},
    {"iq2_xs", 256, 74}, {"iq2_xxs", 256, 66}, {"iq1_s", 256, 50},  {"iq1_m", 256, 56},   {"mxfp4", 32, 17},
    {"nvfp4", 64, 36},
};
static_assert(std::size(kBlockGeometry) == kNumWeightTypes);

constexpr const BlockGeometry& GeometryOf(WeightType type) {
  return kBlockGeometry[static_cast<size_t>(type)];
}

// Whether the type is one of ggml's block types, each block of which is decoded on its own.
constexpr bool IsBlockType(WeightType type) { return type >= WeightType::kQ80; }

// How the rows of a matrix lie.
enum class WeightLayout : uint8_t {
  kRows,    // one after another, as the checkpoint has them
  kPanels,  // sixteen side by side: weight_panels.h. Only matmul reads these.
};

// Non-owning; the memory behind it must outlive it. y = W x with W [rows, cols], row-major.
// No pointer is assumed to be aligned: safetensors packs tensors end to end.
struct MatrixView {
  WeightType type = WeightType::kF32;
  WeightLayout layout = WeightLayout::kRows;
  uint32_t rows = 0;
  uint32_t cols = 0;
  const std::byte* data = nullptr;
  size_t row_bytes = 0;  // distance between rows of `data`, or between panels

  // kFp8E4M3: float32 [scale rows, ceil(cols / 128)]. The matrix consists of equal chunks of `rows_per_chunk`
  // rows, and the 128-row grid of scales starts anew in each: row r has the scale row (r / rows_per_chunk) *
  // ceil(rows_per_chunk / 128) + (r % rows_per_chunk) / 128. kMxFp4: E8M0 bytes [rows, cols / 32]. kNvFp4:
  // one float32 that multiplies every element, or null for 1. Others: null.
  const std::byte* scales = nullptr;
  uint32_t rows_per_chunk = 0;  // kFp8E4M3 only; = rows for an ordinary grid
};

// Bytes of one row of `data`, without the scales that stand apart from it. Requires: whole blocks.
constexpr size_t RowBytes(WeightType type, uint32_t cols) {
  const BlockGeometry& block = GeometryOf(type);
  return size_t{cols / block.columns} * block.bytes;
}

// The name used in messages and by `mimo inspect`.
constexpr const char* WeightTypeName(WeightType type) { return GeometryOf(type).name; }

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
