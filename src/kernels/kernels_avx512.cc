// The AVX-512 variant: one set of templates, compiled for this instruction set. Each of the SIMD headers
// builds on the ones before it, so their order is fixed.

#include <array>
#include <utility>

// clang-format off
#include "kernels/simd_avx512.h"
#include "kernels/simd_math.h"
#include "kernels/attention_simd.h"
#include "kernels/elementwise_simd.h"
#include "kernels/matmul_simd.h"
// clang-format on
#include "kernels/variants.h"

namespace mimo {

const Kernels& Avx512Kernels() {
  static constexpr Kernels kKernels = {Simd::kName, MatMul,  FloatRows,    QuantizeRowReference,
                                       Attention,   RmsNorm, SiluMultiply, AddScaled};
  return kKernels;
}

}  // namespace mimo
