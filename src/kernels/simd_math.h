#pragma once
// What the instruction-set variants share: parts of 16 lanes and exp. Include after simd_avx2.h,
// simd_avx512.h or simd_neon.h, which define `Simd`.

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include "kernels/simd_x86.h"
#endif

namespace mimo {
namespace {

constexpr uint32_t kLanes = 16;
using Float16 = Simd::Float16;

// The first `count` < 16 floats, then zeros.
inline Float16 LoadPartial(const float* p, uint32_t count) {
  float padded[kLanes] = {};
  std::memcpy(padded, p, count * sizeof(float));
  return Simd::Load(padded);
}

inline void StorePartial(float* p, Float16 v, uint32_t count) {
  float padded[kLanes];
  Simd::Store(padded, v);
  std::memcpy(p, padded, count * sizeof(float));
}

// exp(x) to 2 units in the last place, with x clamped to [-87, 88].
// x = n ln 2 + r with |r| <= ln 2 / 2, exp(x) = 2^n exp(r); exp(r) by its Taylor polynomial of degree 7,
// whose remainder r^8 / 8! is below 6e-9.
inline Float16 Exp(Float16 x) {
  x = Simd::Min(Simd::Max(x, Simd::Broadcast(-87.0F)), Simd::Broadcast(88.0F));
  const Float16 n = Simd::Round(Simd::Multiply(x, Simd::Broadcast(1.44269504F)));
  // ln 2 in two parts, the first with trailing zero bits, so that n * part is exact.
  Float16 r = Simd::MultiplyAdd(n, Simd::Broadcast(-0.693359375F), x);
  r = Simd::MultiplyAdd(n, Simd::Broadcast(2.12194440e-4F), r);
  Float16 sum = Simd::Broadcast(1.0F / 5040.0F);
  for (const float coefficient :
       {1.0F / 720.0F, 1.0F / 120.0F, 1.0F / 24.0F, 1.0F / 6.0F, 0.5F, 1.0F, 1.0F}) {
    sum = Simd::MultiplyAdd(sum, r, Simd::Broadcast(coefficient));
  }
  return Simd::Multiply(sum, Simd::PowerOfTwo(n));
}

}  // namespace
}  // namespace mimo
