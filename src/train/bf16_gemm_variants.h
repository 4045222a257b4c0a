#pragma once
// The product for one instruction set. Call it only where Bf16GemmSupported() says so.

#include "train/bf16_gemm.h"

namespace mimo {

#if defined(__x86_64__)
void Bf16GemmAvx512(const Bf16GemmArgs& args);
#endif

}  // namespace mimo
