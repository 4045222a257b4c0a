#pragma once
// A loop that is written out for the compiler.

#include <cstdint>
#include <type_traits>
#include <utility>

// Of a lambda; behind its parameters.
#define MIMO_ALWAYS_INLINE __attribute__((always_inline))

namespace mimo {
namespace {

// Calls f(0) ... f(kCount - 1) with constants. Arrays that are indexed by nothing else stay in registers; GCC
// leaves those of an unrolled loop in memory.
template <uint32_t kCount, typename F>
[[gnu::always_inline]] inline void Unroll(const F& f) {
  [&]<uint32_t... kIndex>(std::integer_sequence<uint32_t, kIndex...>) MIMO_ALWAYS_INLINE {
    (f(std::integral_constant<uint32_t, kIndex>()), ...);
  }
  (std::make_integer_sequence<uint32_t, kCount>());
}

}  // namespace
}  // namespace mimo
