#pragma once
// Random numbers that are a pure function of (seed, position): a sequence draws the same numbers whether it
// runs alone, in a batch, or again after it was preempted, and whatever C++ library the program was built
// with.

#include <cstdint>

#include "base/mix_bits.h"

namespace mimo {

// 64 random bits for `position` of the stream `seed`. Mixing the seed first keeps neighbouring seeds from
// sharing a stream at an offset.
constexpr uint64_t RandomBits(uint64_t seed, uint64_t position) {
  return MixBits(MixBits(seed + kGoldenGamma) + (position + 1) * kGoldenGamma);
}

// `bits` scaled to [0, bound): the upper half of a 128-bit product.
// Requires: bound > 0.
constexpr uint64_t ScaleToBound(uint64_t bits, uint64_t bound) {
  using Wide = unsigned __int128;
  return static_cast<uint64_t>((Wide{bits} * bound) >> 64);
}

}  // namespace mimo
