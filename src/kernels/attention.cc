// Plain loops for every variant: once per thousand keys, they cost next to nothing.

#include "kernels/attention.h"

#include <algorithm>
#include <cmath>

namespace mimo {

void MergeAttention(const AttentionPartial& from, uint32_t rows, uint32_t v_head_dim,
                    const AttentionPartial& into) {
  const uint32_t dim = PaddedDim(v_head_dim);
  for (uint32_t row = 0; row < rows; ++row) {
    const float maximum = std::max(into.maxima[row], from.maxima[row]);
    const float keep = std::exp(into.maxima[row] - maximum);
    const float add = std::exp(from.maxima[row] - maximum);
    const float* const source = from.values + size_t{row} * dim;
    float* const values = into.values + size_t{row} * dim;
    for (uint32_t d = 0; d < dim; ++d) values[d] = values[d] * keep + source[d] * add;
    into.denominators[row] = into.denominators[row] * keep + from.denominators[row] * add;
    into.maxima[row] = maximum;
  }
}

void FinishAttention(const FinishAttentionArgs& args) {
  for (uint32_t h = 0; h < args.num_heads; ++h) {
    const uint32_t row = args.first_row + h;
    float factor = 1.0F;
    float denominator = args.partial.denominators[row];
    if (args.sinks != nullptr) {
      const float maximum = std::max(args.partial.maxima[row], args.sinks[h]);
      factor = std::exp(args.partial.maxima[row] - maximum);
      denominator = denominator * factor + std::exp(args.sinks[h] - maximum);
    }
    const float scale = factor / denominator;
    const float* const values = args.partial.values + size_t{row} * PaddedDim(args.v_head_dim);
    float* const out = args.out + size_t{h} * args.v_head_dim;
    for (uint32_t d = 0; d < args.v_head_dim; ++d) out[d] = values[d] * scale;
  }
}

}  // namespace mimo
