// The plain twins: what each operation means, in as few lines as it takes. No speed is sought here; the exact
// path of the model runs on these loops, and every fast variant is tested against them.

#include <algorithm>
#include <cmath>
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

}  // namespace

const Kernels& ReferenceKernels() {
  static constexpr Kernels kKernels = {"reference",          MatMul,           false,           FloatRows,
                                       QuantizeRowReference, Attention<float>, Attention<Bf16>, RmsNorm,
                                       SiluMultiply,         AddScaled};
  return kKernels;
}

}  // namespace mimo
