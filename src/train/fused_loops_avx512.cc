// The loops for one instruction set. Each of the SIMD headers builds on the ones before it, so their order is
// fixed.

#include <initializer_list>

// The headers of kernels/ hold more than these loops use.
#pragma GCC diagnostic ignored "-Wunused-function"

// clang-format off
#include "kernels/simd_avx512.h"
#include "kernels/simd_math.h"
#include "kernels/elementwise_simd.h"
#include "train/small_gemm_simd.h"
#include "train/attention_loops_simd.h"
#include "train/row_loops_simd.h"
// clang-format on
#include "train/fused_loops.h"

namespace mimo {

const FusedLoops& Avx512FusedLoops() {
  static constexpr FusedLoops kLoops = MakeFusedLoops("avx512");
  return kLoops;
}

}  // namespace mimo
