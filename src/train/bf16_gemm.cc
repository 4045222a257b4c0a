#include "train/bf16_gemm.h"

#include "base/check.h"
#include "kernels/kernels.h"
#include "train/bf16_gemm_variants.h"

namespace mimo {

bool Bf16GemmSupported() {
#if defined(__x86_64__)
  return FindKernels("avx512") != nullptr && __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

void Bf16Gemm(const Bf16GemmArgs& args) {
#if defined(__x86_64__)
  Bf16GemmAvx512(args);
#else
  MIMO_CHECK(false);
#endif
}

}  // namespace mimo
