#pragma once
// Rotary position embedding on the leading dimensions of a head.

#include <cstdint>
#include <span>
#include <vector>

namespace mimo {

// inv_freq[j] = theta^(-2j / rotary_dim), j < rotary_dim / 2.
std::vector<float> RopeInverseFrequencies(float theta, uint32_t rotary_dim);

// cos and sin of position * inv_freq[j], both [rotary_dim / 2]. The angle is rounded to float32 first, as the
// reference implementations do: at position 1e6 that rounding is what the weights were trained with.
void RopeAngles(uint32_t position, std::span<const float> inverse_frequencies, float* cosines, float* sines);

// Rotates the pairs (j, j + half) of head[0 .. 2 * half): rotate-half order. Dimensions after that stay.
void RotateHead(float* head, const float* cosines, const float* sines, uint32_t half);

}  // namespace mimo
