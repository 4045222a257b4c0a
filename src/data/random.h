#pragma once
// Numbers drawn from a seed, the same on every machine and compiler: std::distributions are not.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mix_bits.h"

namespace mimo {

// SplitMix64 (Steele, Lea, Flood 2014): one word of state, equidistributed, quick. Not for secrets.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(MixBits(seed + kGoldenGamma)) {}

  uint64_t Next() { return MixBits(state_ += kGoldenGamma); }

  // Uniform in [0, bound). Requires: bound > 0. The bias of the multiplication is below bound / 2^32.
  uint32_t Below(size_t bound) {
    MIMO_DCHECK(bound > 0 && bound <= UINT32_MAX);
    return static_cast<uint32_t>(((Next() >> 32) * bound) >> 32);
  }

  // Uniform in [first, last].
  uint32_t Between(uint32_t first, uint32_t last) { return first + Below(last - first + 1); }

  // Uniform in [0, 1), in steps of 2^-53.
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

  bool Chance(double probability) { return Unit() < probability; }

  // Requires: not empty.
  template <typename Container>
  const auto& Pick(const Container& items) {
    return items[Below(std::size(items))];
  }

  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[Below(i)]);
  }

 private:
  uint64_t state_;
};

// Draws an index in proportion to its weight.
class WeightedChoice {
 public:
  void Add(double weight) { sums_.push_back((sums_.empty() ? 0 : sums_.back()) + weight); }
  bool empty() const { return sums_.empty() || sums_.back() <= 0; }

  // Requires: !empty().
  size_t Draw(Random& random) const {
    const double point = random.Unit() * sums_.back();
    size_t low = 0;
    size_t high = sums_.size() - 1;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (point < sums_[middle]) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

 private:
  std::vector<double> sums_;
};

}  // namespace mimo
