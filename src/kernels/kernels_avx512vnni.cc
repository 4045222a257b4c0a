// The variant for AVX-512 with VNNI: products of bytes in one instruction. Each of the SIMD headers
// builds on the ones before it, so their order is fixed.

#include <array>
#include <utility>

// clang-format off
#include "kernels/simd_avx512.h"
#include "kernels/simd_math.h"
#include "kernels/attention_simd.h"
#include "kernels/elementwise_simd.h"
#include "kernels/matmul_simd.h"
#include "kernels/integers_avx512.h"
#include "kernels/panel_types.h"
#include "kernels/panel_matmul.h"
#include "kernels/quantize_row_avx512.h"
// clang-format on
#include "kernels/variants.h"

namespace mimo {

const Kernels& Avx512VnniKernels() {
  static constexpr Kernels kKernels = {"avx512_vnni", MatMulAnyLayout, true,
                                       FormForPanels, QuantizeRow,     Attention,
                                       RmsNorm,       SiluMultiply,    AddScaled};
  return kKernels;
}

}  // namespace mimo
