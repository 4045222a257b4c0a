#include "kernels/dequantize.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/number_formats.h"

namespace mimo {
namespace {

template <typename Block>
void DecodeAt(const std::byte* block, float* out) {
  Decode(LoadBlock<Block>(block), out);
}

constexpr size_t kNumBlockTypes = kNumWeightTypes - static_cast<size_t>(WeightType::kQ80);

// In the order of WeightType from kQ80 on.
constexpr std::array<BlockDecoder, kNumBlockTypes> kDecoders = {
    DecodeAt<BlockQ80>,    DecodeAt<BlockQ40>,    DecodeAt<BlockQ41>,   DecodeAt<BlockQ50>,
    DecodeAt<BlockQ51>,    DecodeAt<BlockQ2K>,    DecodeAt<BlockQ3K>,   DecodeAt<BlockQ4K>,
    DecodeAt<BlockQ5K>,    DecodeAt<BlockQ6K>,    DecodeAt<BlockIq4Nl>, DecodeAt<BlockIq4Xs>,
    DecodeAt<BlockIq3S>,   DecodeAt<BlockIq3Xxs>, DecodeAt<BlockIq2S>,  DecodeAt<BlockIq2Xs>,
    DecodeAt<BlockIq2Xxs>, DecodeAt<BlockIq1S>,   DecodeAt<BlockIq1M>,  DecodeAt<BlockMxFp4>,
    DecodeAt<BlockNvFp4>,
};

template <typename Element>
void DequantizePlain(const std::byte* row, ColumnRange columns, float* out) {
  for (uint32_t c = columns.begin; c < columns.end; ++c) {
    Element element;
    std::memcpy(&element, row + size_t{c} * sizeof(Element), sizeof(Element));
    *out++ = ToFloat(element);
  }
}

void DequantizeFp8(const MatrixView& matrix, uint32_t row, ColumnRange columns, float* out) {
  const uint32_t scale_cols = (matrix.cols + kFp8BlockSize - 1) / kFp8BlockSize;
  const uint32_t scale_rows_per_chunk = (matrix.rows_per_chunk + kFp8BlockSize - 1) / kFp8BlockSize;
  const uint32_t scale_row =
      row / matrix.rows_per_chunk * scale_rows_per_chunk + row % matrix.rows_per_chunk / kFp8BlockSize;
  const std::byte* const codes = matrix.data + row * matrix.row_bytes;
  for (uint32_t c = columns.begin; c < columns.end; ++c) {
    float scale;
    const size_t scale_index = size_t{scale_row} * scale_cols + c / kFp8BlockSize;
    std::memcpy(&scale, matrix.scales + scale_index * sizeof(float), sizeof(float));
    *out++ = Fp8E4M3ToFloat(static_cast<uint8_t>(codes[c])) * scale;
  }
}

void DequantizeMxFp4(const MatrixView& matrix, uint32_t row, ColumnRange columns, float* out) {
  const std::byte* const codes = matrix.data + row * matrix.row_bytes;
  const std::byte* const scales = matrix.scales + size_t{row} * (matrix.cols / kMxFp4BlockSize);
  for (uint32_t c = columns.begin; c < columns.end; ++c) {
    const auto pair = static_cast<uint8_t>(codes[c / 2]);
    const auto code = static_cast<uint8_t>(c % 2 == 0 ? pair & 15U : pair >> 4U);
    *out++ = Fp4E2M1ToFloat(code) * E8M0ToFloat(static_cast<uint8_t>(scales[c / kMxFp4BlockSize]));
  }
}

// Whole blocks go straight to `out`; of the first and the last one only the part in the range.
void DequantizeBlocks(const MatrixView& matrix, uint32_t row, ColumnRange columns, float* out) {
  const BlockGeometry& geometry = GeometryOf(matrix.type);
  const BlockDecoder decode = DecoderOf(matrix.type);
  const std::byte* const data = matrix.data + row * matrix.row_bytes;
  for (uint32_t c = columns.begin; c < columns.end;) {
    const uint32_t block = c / geometry.columns;
    const uint32_t block_begin = block * geometry.columns;
    const uint32_t end = std::min(columns.end, block_begin + geometry.columns);
    const std::byte* const at = data + size_t{block} * geometry.bytes;
    if (end - c == geometry.columns) {
      decode(at, out);
    } else {
      float values[kBlockColumnsMax];
      decode(at, values);
      std::copy(values + (c - block_begin), values + (end - block_begin), out);
    }
    out += end - c;
    c = end;
  }
}

// The scale of a whole nvfp4 tensor.
void MultiplyByTensorScale(const std::byte* scale_bytes, uint32_t count, float* out) {
  float scale;
  std::memcpy(&scale, scale_bytes, sizeof(scale));
  for (uint32_t i = 0; i < count; ++i) out[i] *= scale;
}

}  // namespace

BlockDecoder DecoderOf(WeightType type) {
  MIMO_CHECK(IsBlockType(type));
  return kDecoders[static_cast<size_t>(type) - static_cast<size_t>(WeightType::kQ80)];
}

void DequantizeColumns(const MatrixView& matrix, uint32_t row, ColumnRange columns, float* out) {
  const std::byte* const data = matrix.data + row * matrix.row_bytes;
  switch (matrix.type) {
    case WeightType::kF32:
      return DequantizePlain<float>(data, columns, out);
    case WeightType::kF16:
      return DequantizePlain<Fp16>(data, columns, out);
    case WeightType::kBf16:
      return DequantizePlain<Bf16>(data, columns, out);
    case WeightType::kFp8E4M3:
      return DequantizeFp8(matrix, row, columns, out);
    case WeightType::kMxFp4:
      return DequantizeMxFp4(matrix, row, columns, out);
    default:
      DequantizeBlocks(matrix, row, columns, out);
      if (matrix.scales != nullptr) MultiplyByTensorScale(matrix.scales, columns.end - columns.begin, out);
  }
}

}  // namespace mimo
