#pragma once

#include <cstdint>

namespace mimo {

// What SplitMix64 adds to its state at each step.
constexpr uint64_t kGoldenGamma = 0x9e3779b97f4a7c15U;

// The output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
// 2014): a bijection of 64 bits in which every input bit changes about half of the output bits.
constexpr uint64_t MixBits(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

}  // namespace mimo
