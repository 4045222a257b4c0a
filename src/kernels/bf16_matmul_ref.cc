#include "kernels/bf16_matmul_ref.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/check.h"

namespace mimo {
namespace {

using Lanes = std::array<float, 16>;

float WithoutSubnormals(float value) {
  return std::fabs(value) < std::numeric_limits<float>::min() ? std::copysign(0.0F, value) : value;
}

void AddProduct(float w, float x, float* sum) {
  *sum = WithoutSubnormals(std::fma(WithoutSubnormals(w), WithoutSubnormals(x), WithoutSubnormals(*sum)));
}

// 32 columns.
void AddProducts(const float* w, const Bf16* x, Lanes* lanes) {
  for (size_t i = 0; i < lanes->size(); ++i) {
    AddProduct(w[2 * i + 1], ToFloat(x[2 * i + 1]), &(*lanes)[i]);
    AddProduct(w[2 * i], ToFloat(x[2 * i]), &(*lanes)[i]);
  }
}

float Fold(Lanes lanes) {
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// A row as numbers that bfloat16 holds, before the block scales of FP8; zeros after the last column.
std::vector<float> ReadRow(const MatrixView& weights, uint32_t row) {
  std::vector<float> values(Bf16RowColumns(weights.cols));
  const std::byte* const data = weights.data + row * weights.row_bytes;
  if (weights.type == WeightType::kBf16) {
    DequantizeRow(weights, row, values.data());
  } else {
    for (uint32_t c = 0; c < weights.cols; ++c) values[c] = Fp8E4M3ToFloat(static_cast<uint8_t>(data[c]));
  }
  return values;
}

float MultiplyBf16(const std::vector<float>& w, uint32_t cols, const Bf16* x) {
  Lanes lanes = {};
  for (uint32_t c = 0; c < cols; c += 32) AddProducts(w.data() + c, x + c, &lanes);
  return Fold(lanes);
}

// `scales`: of the row, one for each block.
float MultiplyFp8(const std::vector<float>& w, const std::byte* scales, const Bf16* x) {
  Lanes lanes = {};
  for (uint32_t block = 0; block < w.size() / kFp8BlockSize; ++block) {
    Lanes of_block = {};
    for (uint32_t c = block * kFp8BlockSize; c < (block + 1) * kFp8BlockSize; c += 32) {
      AddProducts(w.data() + c, x + c, &of_block);
    }
    float scale;
    std::memcpy(&scale, scales + block * sizeof(float), sizeof(scale));
    for (size_t i = 0; i < lanes.size(); ++i) lanes[i] = std::fma(of_block[i], scale, lanes[i]);
  }
  return Fold(lanes);
}

const std::byte* ScalesOfRow(const MatrixView& weights, uint32_t row) {
  const auto blocks = [](uint32_t count) { return (count + kFp8BlockSize - 1) / kFp8BlockSize; };
  const uint32_t chunk = row / weights.rows_per_chunk;
  const uint32_t row_in_chunk = row % weights.rows_per_chunk;
  const uint32_t scale_row = chunk * blocks(weights.rows_per_chunk) + row_in_chunk / kFp8BlockSize;
  return weights.scales + size_t{scale_row} * blocks(weights.cols) * sizeof(float);
}

}  // namespace

void Bf16MatMulReference(const MatMulArgs& args) {
  const MatrixView& weights = *args.weights;
  MIMO_CHECK(weights.type == WeightType::kBf16 || weights.type == WeightType::kFp8E4M3);
  for (uint32_t row = args.row_begin; row < args.row_end; ++row) {
    const std::vector<float> w = ReadRow(weights, row);
    for (uint32_t token = 0; token < args.num_tokens; ++token) {
      const Bf16* const x = args.quantized_rows[token].bf16;
      args.out[token * args.out_stride + (row - args.row_begin)] =
          weights.type == WeightType::kBf16 ? MultiplyBf16(w, weights.cols, x)
                                            : MultiplyFp8(w, ScalesOfRow(weights, row), x);
    }
  }
}

}  // namespace mimo
