#pragma once
// How the encoders put codes into the structs of kernels/block_layouts.h.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace mimo {

// Requires: the bits are still clear.
inline void OrBits(uint8_t* byte, uint32_t bits, uint32_t at) {
  *byte = static_cast<uint8_t>(*byte | bits << at);
}

// Two codes a byte, without their bits above the fourth: column c in the low nibble of byte c, column c + 16
// in the high one.
inline void StoreNibbles(std::span<const uint8_t, 32> codes, uint8_t* out) {
  for (uint32_t c = 0; c < 16; ++c) {
    out[c] = static_cast<uint8_t>((codes[c] & 15) | (codes[c + 16] & 15) << 4);
  }
}

template <typename Block>
void StoreBlock(const Block& block, std::byte* out) {
  static_assert(std::is_trivially_copyable_v<Block>);
  std::memcpy(out, &block, sizeof(block));
}

}  // namespace mimo
