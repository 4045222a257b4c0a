#include "kernels/quantized_row.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace mimo {
namespace {

void QuantizeBlock(const float* x, uint32_t columns, int8_t* codes, float* scale) {
  float largest = 0;
  bool is_finite = true;
  for (uint32_t c = 0; c < columns; ++c) {
    largest = std::max(largest, std::fabs(x[c]));
    is_finite = is_finite && std::isfinite(x[c]);
  }
  if (largest < kBlockMagnitudeMin) largest = 0;
  const float inverse = largest > 0 && is_finite ? 127.0F / largest : 0.0F;
  for (uint32_t c = 0; c < columns; ++c) {
    codes[c] = is_finite ? static_cast<int8_t>(std::nearbyint(x[c] * inverse)) : int8_t{0};
  }
  *scale = is_finite ? largest / 127.0F : std::numeric_limits<float>::quiet_NaN();
}

void RoundToBf16(const float* x, uint32_t cols, Bf16* out) {
  for (uint32_t c = 0; c < cols; ++c) {
    const bool is_subnormal = std::fabs(x[c]) < std::numeric_limits<float>::min();
    out[c] = ToBf16(is_subnormal ? std::copysign(0.0F, x[c]) : x[c]);
  }
  std::fill(out + cols, out + Bf16RowColumns(cols), Bf16{0});
}

}  // namespace

void QuantizeRowReference(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out) {
  if (form == RowForm::kBf16) return RoundToBf16(x, cols, out.bf16);
  const uint32_t block = BlockColumns(form);
  for (uint32_t c = 0; c < cols; c += block) {
    QuantizeBlock(x + c, block, out.codes + c, out.scales + c / block);
  }
  const auto sum = [&](uint32_t begin, uint32_t count) {
    return static_cast<int16_t>(std::accumulate(out.codes + begin, out.codes + begin + count, 0));
  };
  for (uint32_t c = 0; c < cols; c += 16) out.sums_16[c / 16] = sum(c, 16);
  for (uint32_t c = 0; c < cols; c += 32) out.sums_32[c / 32] = sum(c, 32);
}

}  // namespace mimo
