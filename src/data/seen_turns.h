#pragma once

#include <cstdint>
#include <vector>

#include "data/random.h"

namespace mimo {

// Remembers fingerprints in bounded memory: a Bloom filter of 64 MiB. What was added is never forgotten; what
// was not is taken for seen once in 30,000 times after ten million turns, once in 13 after a hundred million,
// and then merely drawn again.
class SeenTurns {
 public:
  SeenTurns() : bits_(kNumBits / 64, 0) {}

  // Adds the fingerprint. False if it was there already.
  bool Insert(uint64_t fingerprint) {
    const uint64_t step = MixBits(fingerprint) | 1;
    bool is_new = false;
    for (int i = 0; i < kNumHashes; ++i) {
      const uint64_t bit = (fingerprint + static_cast<uint64_t>(i) * step) >> (64 - kLogBits);
      const uint64_t mask = uint64_t{1} << (bit % 64);
      is_new = is_new || (bits_[bit / 64] & mask) == 0;
      bits_[bit / 64] |= mask;
    }
    return is_new;
  }

 private:
  static constexpr int kLogBits = 29;
  static constexpr uint64_t kNumBits = uint64_t{1} << kLogBits;
  static constexpr int kNumHashes = 4;
  std::vector<uint64_t> bits_;
};

}  // namespace mimo
