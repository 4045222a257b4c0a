#pragma once
// Norm, activation and weighted sums over one vector. Include after simd_math.h.

#include <cmath>

#include "kernels/kernels.h"

namespace mimo {
namespace {

// Calls operation(index, lanes) over [0, size) in steps of 16; the last step may have fewer lanes.
template <typename Operation>
void ForEachLanes(uint32_t size, const Operation& operation) {
  uint32_t i = 0;
  for (; i + kLanes <= size; i += kLanes) operation(i, kLanes);
  if (i < size) operation(i, size - i);
}

inline Float16 LoadSome(const float* p, uint32_t lanes) {
  return lanes == kLanes ? Simd::Load(p) : LoadPartial(p, lanes);
}
inline void StoreSome(float* p, Float16 v, uint32_t lanes) {
  if (lanes == kLanes) {
    Simd::Store(p, v);
  } else {
    StorePartial(p, v, lanes);
  }
}

void RmsNorm(const float* x, const float* weight, uint32_t size, float epsilon, float* out) {
  Float16 squares = Simd::Zero();
  ForEachLanes(size, [&](uint32_t i, uint32_t lanes) {
    const Float16 v = LoadSome(x + i, lanes);
    squares = Simd::MultiplyAdd(v, v, squares);
  });
  const float inverse_rms = 1.0F / std::sqrt(SumLanes(squares) / static_cast<float>(size) + epsilon);
  ForEachLanes(size, [&](uint32_t i, uint32_t lanes) {
    const Float16 normed = Simd::Multiply(LoadSome(x + i, lanes), Simd::Broadcast(inverse_rms));
    StoreSome(out + i, Simd::Multiply(normed, LoadSome(weight + i, lanes)), lanes);
  });
}

void SiluMultiply(float* gate, const float* up, uint32_t size) {
  ForEachLanes(size, [&](uint32_t i, uint32_t lanes) {
    const Float16 g = LoadSome(gate + i, lanes);
    const Float16 one = Simd::Broadcast(1.0F);
    const Float16 silu = Simd::Divide(g, Simd::Add(one, Exp(Simd::Subtract(Simd::Zero(), g))));
    StoreSome(gate + i, Simd::Multiply(silu, LoadSome(up + i, lanes)), lanes);
  });
}

void AddScaled(const float* x, float factor, uint32_t size, float* sum) {
  ForEachLanes(size, [&](uint32_t i, uint32_t lanes) {
    StoreSome(sum + i,
              Simd::MultiplyAdd(Simd::Broadcast(factor), LoadSome(x + i, lanes), LoadSome(sum + i, lanes)),
              lanes);
  });
}

}  // namespace
}  // namespace mimo
