// The plain twins: what each operation means, in as few lines as it takes. No speed is sought here; the exact
// path of the model runs on these loops, and every fast variant is tested against them.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/number_formats.h"
#include "kernels/kernels.h"

namespace mimo {
namespace {

float Dot(const float* a, const float* b, uint32_t size) {
  float sum = 0;
  for (uint32_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

void MatMul(const MatMulArgs& args) {
  std::vector<float> row(args.weights->cols);
  for (uint32_t r = args.row_begin; r < args.row_end; ++r) {
    DequantizeRow(*args.weights, r, row.data());
    for (uint32_t t = 0; t < args.num_tokens; ++t) {
      args.out[t * args.out_stride + (r - args.row_begin)] =
          Dot(row.data(), args.x_rows[t], args.weights->cols);
    }
  }
}

// All keys of `args` as float32: k [keys, head_dim] and v [keys, v_head_dim].
template <typename Element>
void GatherKeys(const AttentionArgs& args, std::vector<float>* k, std::vector<float>* v) {
  const auto append = [](const void* data, size_t count, std::vector<float>* out) {
    const auto* elements = static_cast<const Element*>(data);
    for (size_t i = 0; i < count; ++i) out->push_back(ToFloat(elements[i]));
  };
  for (const KeySpan& span : args.spans) {
    append(span.k, size_t{span.count} * args.head_dim, k);
    append(span.v, size_t{span.count} * args.v_head_dim, v);
  }
}

template <typename Element>
void Attention(const AttentionArgs& args) {
  std::vector<float> k;
  std::vector<float> v;
  GatherKeys<Element>(args, &k, &v);
  const size_t num_keys = k.size() / args.head_dim;
  std::vector<float> p(num_keys);
  for (uint32_t h = 0; h < args.num_heads; ++h) {
    for (size_t j = 0; j < num_keys; ++j) {
      p[j] = args.scale * Dot(args.q + size_t{h} * args.head_dim, &k[j * args.head_dim], args.head_dim);
    }
    float maximum = *std::max_element(p.begin(), p.end());
    if (args.sinks != nullptr) maximum = std::max(maximum, args.sinks[h]);
    float denominator = args.sinks != nullptr ? std::exp(args.sinks[h] - maximum) : 0.0F;
    for (float& score : p) {
      score = std::exp(score - maximum);
      denominator += score;
    }
    float* const out = args.out + size_t{h} * args.v_head_dim;
    std::fill_n(out, args.v_head_dim, 0.0F);
    for (size_t j = 0; j < num_keys; ++j) {
      for (uint32_t d = 0; d < args.v_head_dim; ++d)
        out[d] += p[j] / denominator * v[j * args.v_head_dim + d];
    }
  }
}

void RmsNorm(const float* x, const float* weight, uint32_t size, float epsilon, float* out) {
  const float mean_square = Dot(x, x, size) / static_cast<float>(size);
  const float inverse_rms = 1.0F / std::sqrt(mean_square + epsilon);
  for (uint32_t i = 0; i < size; ++i) out[i] = x[i] * inverse_rms * weight[i];
}

void SiluMultiply(float* gate, const float* up, uint32_t size) {
  for (uint32_t i = 0; i < size; ++i) gate[i] = gate[i] / (1.0F + std::exp(-gate[i])) * up[i];
}

void AddScaled(const float* x, float factor, uint32_t size, float* sum) {
  for (uint32_t i = 0; i < size; ++i) sum[i] += factor * x[i];
}

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

void DequantizeQ80(const MatrixView& matrix, uint32_t row, ColumnRange columns, float* out) {
  const std::byte* const blocks = matrix.data + row * matrix.row_bytes;
  for (uint32_t c = columns.begin; c < columns.end; ++c) {
    const std::byte* const block = blocks + c / kQ80BlockSize * kQ80BlockBytes;
    Fp16 scale;
    std::memcpy(&scale, block, sizeof(scale));
    const auto code = static_cast<int8_t>(block[sizeof(scale) + c % kQ80BlockSize]);
    *out++ = static_cast<float>(code) * ToFloat(scale);
  }
}

}  // namespace

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
    case WeightType::kQ80:
      return DequantizeQ80(matrix, row, columns, out);
    default:
      break;
  }
}

const Kernels& ReferenceKernels() {
  static constexpr Kernels kKernels = {"reference", MatMul,       Attention<float>, Attention<Bf16>,
                                       RmsNorm,     SiluMultiply, AddScaled};
  return kKernels;
}

}  // namespace mimo
