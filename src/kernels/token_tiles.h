#pragma once
// Loops over tokens in tiles whose size the compiler knows.

#include <cstdint>
#include <type_traits>

namespace mimo {
namespace {

// tile(std::integral_constant<uint32_t, count>()); Requires: 0 < count <= kTokensMax.
template <uint32_t kTokensMax, typename Tile>
inline void WithTokenCount(uint32_t count, const Tile& tile) {
  if constexpr (kTokensMax > 1) {
    if (count < kTokensMax) return WithTokenCount<kTokensMax - 1>(count, tile);
  }
  tile(std::integral_constant<uint32_t, kTokensMax>());
}

// Calls tile(std::integral_constant<uint32_t, count>(), token) for all tokens in [begin, end), in as few
// tiles as kTokensMax allows, all nearly of one size: seven tokens are faster as 4 and 3 than as 6 and 1.
template <uint32_t kTokensMax, typename Tile>
inline void ForTokens(uint32_t begin, uint32_t end, const Tile& tile) {
  uint32_t tiles = (end - begin + kTokensMax - 1) / kTokensMax;
  for (uint32_t token = begin; token < end; --tiles) {
    const uint32_t count = (end - token + tiles - 1) / tiles;
    WithTokenCount<kTokensMax>(count, [&](auto fixed_count) { tile(fixed_count, token); });
    token += count;
  }
}

}  // namespace
}  // namespace mimo
