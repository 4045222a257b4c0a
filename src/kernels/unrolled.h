#pragma once
// A loop that is written out for the compiler.

#include <cstdint>
#include <type_traits>
#include <utility>

// Of a lambda; behind its parameters.
#define MIMO_ALWAYS_INLINE __attribute__((always_inline))

namespace mimo {
namespace {

// Calls body(i) for each i in [0, kCount), as a constant. Arrays of vectors that only such indexes touch stay
// in registers; with an ordinary loop GCC 12 unrolls too late for that and leaves them in memory.
template <uint32_t kCount, typename Body>
[[gnu::always_inline]] inline void Unrolled(const Body& body) {
  const auto call = [&]<uint32_t... kIndexes>(std::integer_sequence<uint32_t, kIndexes...>)
      MIMO_ALWAYS_INLINE {
    (body(std::integral_constant<uint32_t, kIndexes>()), ...);
  };
  call(std::make_integer_sequence<uint32_t, kCount>());
}

}  // namespace
}  // namespace mimo
