// The AVX-512 variant: one set of templates, compiled for this instruction set.

#include <array>
#include <utility>

// clang-format off: each of these builds on the ones before it.
#include "kernels/attention_simd.h"
#include "kernels/elementwise_simd.h"
#include "kernels/matmul_simd.h"
#include "kernels/simd_avx512.h"
#include "kernels/simd_math.h"
// clang-format on
#include "kernels/variants.h"

namespace mimo {

const Kernels& Avx512Kernels() {
  static constexpr Kernels kKernels = {Simd::kName, MatMul,       Attention<float>, Attention<Bf16>,
                                       RmsNorm,     SiluMultiply, AddScaled};
  return kKernels;
}

}  // namespace mimo
