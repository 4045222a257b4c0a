#pragma once
// Random numbers that are a pure function of (seed, position): a sequence draws the same numbers whether it
// runs alone, in a batch, or again after it was preempted, and whatever C++ library the program was built
// with.

#include <cstdint>

namespace mimo {

// The output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
// 2014): a bijection of 64 bits in which every input bit changes about half of the output bits.
constexpr uint64_t MixBits(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

// 64 random bits for `position` of the stream `seed`. Mixing the seed first keeps neighbouring seeds from
// sharing a stream at an offset.
constexpr uint64_t RandomBits(uint64_t seed, uint64_t position) {
  constexpr uint64_t kGoldenGamma = 0x9e3779b97f4a7c15U;
  return MixBits(MixBits(seed + kGoldenGamma) + (position + 1) * kGoldenGamma);
}

// `bits` scaled to [0, bound): the upper half of a 128-bit product.
// Requires: bound > 0.
constexpr uint64_t ScaleToBound(uint64_t bits, uint64_t bound) {
  using Wide = unsigned __int128;
  return static_cast<uint64_t>((Wide{bits} * bound) >> 64);
}

}  // namespace mimo
