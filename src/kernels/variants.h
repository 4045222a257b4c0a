#pragma once
// The tables of the instruction-set variants. Call them only where the machine supports the set: kernels.cc
// checks.

#include "kernels/kernels.h"

namespace mimo {

#if defined(__x86_64__)
const Kernels& Avx2Kernels();
const Kernels& AvxVnniKernels();
const Kernels& Avx512Kernels();
const Kernels& Avx512VnniKernels();
const Kernels& Avx512Bf16MatMulKernels();  // attention as in the VNNI variant
const Kernels& Avx512Bf16Kernels();
#elif defined(__aarch64__)
const Kernels& NeonKernels();
#endif

}  // namespace mimo
