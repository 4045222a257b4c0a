// The plain twins: what each operation means, in as few lines as it takes. No speed is sought here; the exact
// path of the model runs on these loops, and every fast variant is tested against them.

#include <algorithm>
#include <cmath>
#include <limits>
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

// The keys, or the values, of all spans as float32: [keys, dim].
std::vector<float> Gather(const AttentionArgs& args, const void* KeySpan::*rows, uint32_t dim) {
  std::vector<float> values;
  for (const KeySpan& span : args.spans) {
    MatrixView matrix;
    matrix.type = WeightTypeOf(args.element);
    matrix.rows = span.count;
    matrix.cols = dim;
    matrix.data = static_cast<const std::byte*>(span.*rows);
    matrix.row_bytes = KvRowBytes(args.element, dim);
    for (uint32_t i = 0; i < span.count; ++i) {
      values.resize(values.size() + dim);
      DequantizeRow(matrix, i, values.data() + values.size() - dim);
    }
  }
  return values;
}

void Attention(const AttentionArgs& args) {
  const std::vector<float> k = Gather(args, &KeySpan::k, args.head_dim);
  const std::vector<float> v = Gather(args, &KeySpan::v, args.v_head_dim);
  const auto keys_end = args.first_key + static_cast<uint32_t>(k.size() / args.head_dim);
  std::vector<float> scores(keys_end - args.first_key);
  for (uint32_t row = 0; row < args.num_tokens * args.num_heads; ++row) {
    const uint32_t t = row / args.num_heads;
    const float* const q = args.q + t * args.q_stride + size_t{row % args.num_heads} * args.head_dim;
    const uint32_t begin = std::max(args.first_key, FirstVisibleKey(args, t));
    const uint32_t end = std::min(keys_end, VisibleKeysEnd(args, t));
    float maximum = std::numeric_limits<float>::lowest();
    for (uint32_t i = begin; i < end; ++i) {
      const uint32_t j = i - args.first_key;
      scores[j] = args.scale * Dot(q, &k[size_t{j} * args.head_dim], args.head_dim);
      maximum = std::max(maximum, scores[j]);
    }
    float* const values = args.partial.values + size_t{row} * PaddedDim(args.v_head_dim);
    std::fill_n(values, PaddedDim(args.v_head_dim), 0.0F);
    float denominator = 0;
    for (uint32_t i = begin; i < end; ++i) {
      const uint32_t j = i - args.first_key;
      const float weight = std::exp(scores[j] - maximum);
      denominator += weight;
      for (uint32_t d = 0; d < args.v_head_dim; ++d) values[d] += weight * v[size_t{j} * args.v_head_dim + d];
    }
    args.partial.maxima[row] = maximum;
    args.partial.denominators[row] = denominator;
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

}  // namespace

const Kernels& ReferenceKernels() {
  static constexpr Kernels kKernels = {"reference", MatMul,  false,        FloatRows, QuantizeRowReference,
                                       Attention,   RmsNorm, SiluMultiply, AddScaled};
  return kKernels;
}

}  // namespace mimo
