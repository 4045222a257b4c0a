#pragma once
// The encoders try many scales on the same numbers. Here a lane is one candidate: the numbers are broadcast
// one after another and every lane keeps its own sums, so that nothing is summed across lanes and the result
// does not depend on the width of the machine's registers.

#include <cstddef>
#include <cstdint>

namespace mimo {

using Float4 = float __attribute__((vector_size(16)));
using Int4 = int32_t __attribute__((vector_size(16)));

inline Float4 Broadcast(float value) { return Float4{value, value, value, value}; }

inline Float4 Clamp(Float4 value, Float4 low, Float4 high) {
  value = value < low ? low : value;
  return value > high ? high : value;
}

// To the nearest integer, ties to even: adding 1.5 * 2^23 leaves no bits for a fraction. Requires: |value| <
// 2^22.
inline Float4 RoundToInteger(Float4 value) {
  const Float4 magic = Broadcast(12582912.0F);
  return (value + magic) - magic;
}
inline float RoundToInteger(float value) { return (value + 12582912.0F) - 12582912.0F; }

// `kGroups` times four candidates.
template <uint32_t kGroups>
struct Lanes {
  static constexpr uint32_t kCount = 4 * kGroups;
  Float4 group[kGroups] = {};

  float operator[](uint32_t lane) const { return group[lane / 4][lane % 4]; }
  void Set(uint32_t lane, float value) { group[lane / 4][lane % 4] = value; }
};

}  // namespace mimo
