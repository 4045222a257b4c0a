// The variant for AVX-512 with VNNI: quantised weights are multiplied in integers, everything else as in the
// AVX-512 variant.

#include <array>
#include <utility>

// clang-format off
#include "kernels/simd_avx512.h"
#include "kernels/simd_math.h"
#include "kernels/attention_simd.h"
#include "kernels/elementwise_simd.h"
#include "kernels/matmul_simd.h"
#include "kernels/integer_blocks_avx512.h"
#include "kernels/integer_decode_avx512.h"
#include "kernels/integer_panel_avx512.h"
#include "kernels/quantize_row_avx512.h"
// clang-format on
#include "kernels/variants.h"

namespace mimo {
namespace {

RowForm VnniRowForm(WeightType type) {
  switch (type) {
    case WeightType::kQ80:
      return RowForm::kInt8By32;
    case WeightType::kQ4K:
    case WeightType::kQ5K:
    case WeightType::kQ6K:
      return RowForm::kInt8By256;
    default:
      return RowForm::kFloat32;
  }
}

template <typename Type>
void SuperBlockMatMul(const MatMulArgs& args) {
  IntegerMatMul<SuperBlockDecode<Type>, SuperBlockPanel<Type>>(args);
}

void VnniMatMul(const MatMulArgs& args) {
  switch (args.weights->type) {
    case WeightType::kQ80:
      return IntegerMatMul<Q80Decode, Q80Panel>(args);
    case WeightType::kQ4K:
      return SuperBlockMatMul<Q4KBlocks>(args);
    case WeightType::kQ5K:
      return SuperBlockMatMul<Q5KBlocks>(args);
    case WeightType::kQ6K:
      return SuperBlockMatMul<Q6KBlocks>(args);
    default:
      return MatMul(args);
  }
}

}  // namespace

const Kernels& Avx512VnniKernels() {
  static constexpr Kernels kKernels = {"avx512_vnni", VnniMatMul,       VnniRowForm,
                                       QuantizeRow,   Attention<float>, Attention<Bf16>,
                                       RmsNorm,       SiluMultiply,     AddScaled};
  return kKernels;
}

}  // namespace mimo
