#include "kernels/rope.h"

#include <cmath>

namespace mimo {

std::vector<float> RopeInverseFrequencies(float theta, uint32_t rotary_dim) {
  std::vector<float> inverse_frequencies(rotary_dim / 2);
  for (uint32_t j = 0; j < rotary_dim / 2; ++j) {
    const float exponent = static_cast<float>(2 * j) / static_cast<float>(rotary_dim);
    inverse_frequencies[j] = 1.0F / static_cast<float>(std::pow(static_cast<double>(theta), exponent));
  }
  return inverse_frequencies;
}

void RopeAngles(uint32_t position, std::span<const float> inverse_frequencies, float* cosines, float* sines) {
  for (size_t j = 0; j < inverse_frequencies.size(); ++j) {
    const float angle = static_cast<float>(position) * inverse_frequencies[j];
    cosines[j] = static_cast<float>(std::cos(static_cast<double>(angle)));
    sines[j] = static_cast<float>(std::sin(static_cast<double>(angle)));
  }
}

void RotateHead(float* head, const float* cosines, const float* sines, uint32_t half) {
  for (uint32_t j = 0; j < half; ++j) {
    const float a = head[j];
    const float b = head[j + half];
    head[j] = a * cosines[j] - b * sines[j];
    head[j + half] = b * cosines[j] + a * sines[j];
  }
}

}  // namespace mimo
