// The variant for 64-bit Arm with dot products (Armv8.2 and later). Each of the SIMD headers builds on the
// ones before it, so their order is fixed. Attention is the plain twin's: attention_simd.h knows x86 only.

#include <array>
#include <utility>

// clang-format off
#include "kernels/simd_neon.h"
#include "kernels/simd_math.h"
#include "kernels/elementwise_simd.h"
#include "kernels/matmul_simd.h"
#include "kernels/integers_neon.h"
#include "kernels/panel_types.h"
#include "kernels/panel_matmul.h"
#include "kernels/quantize_row_neon.h"
// clang-format on
#include "kernels/variants.h"

namespace mimo {

const Kernels& NeonKernels() {
  static const Kernels kKernels = {"neon",        MatMulAnyLayout, true,
                                   FormForPanels, QuantizeRow,     ReferenceKernels().attention,
                                   RmsNorm,       SiluMultiply,    AddScaled};
  return kKernels;
}

}  // namespace mimo
