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
    case WeightType::kQ40:
    case WeightType::kQ41:
    case WeightType::kQ50:
    case WeightType::kQ51:
    case WeightType::kIq4Nl:
    case WeightType::kMxFp4:
    case WeightType::kMxFp4Block:
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
void MatMul32(const MatMulArgs& args) {
  IntegerMatMul<Block32Decode<Type>, Block32Panel<Type>>(args);
}

template <typename Type>
void MatMul256(const MatMulArgs& args) {
  IntegerMatMul<SuperBlockDecode<Type>, SuperBlockPanel<Type>>(args);
}

void VnniMatMul(const MatMulArgs& args) {
  switch (args.weights->type) {
    case WeightType::kQ80:
      return MatMul32<Q80Blocks>(args);
    case WeightType::kQ40:
      return MatMul32<Q40Blocks>(args);
    case WeightType::kQ41:
      return MatMul32<Q41Blocks>(args);
    case WeightType::kQ50:
      return MatMul32<Q50Blocks>(args);
    case WeightType::kQ51:
      return MatMul32<Q51Blocks>(args);
    case WeightType::kIq4Nl:
      return MatMul32<Iq4NlBlocks>(args);
    case WeightType::kMxFp4:
      return MatMul32<SeparateMxFp4Blocks>(args);
    case WeightType::kMxFp4Block:
      return MatMul32<MxFp4Blocks>(args);
    case WeightType::kQ4K:
      return MatMul256<Q4KBlocks>(args);
    case WeightType::kQ5K:
      return MatMul256<Q5KBlocks>(args);
    case WeightType::kQ6K:
      return MatMul256<Q6KBlocks>(args);
    default:
      return MatMul(args);
  }
}

}  // namespace

const Kernels& Avx512VnniKernels() {
  static constexpr Kernels kKernels = {"avx512_vnni", VnniMatMul, VnniRowForm,  QuantizeRow,
                                       Attention,     RmsNorm,    SiluMultiply, AddScaled};
  return kKernels;
}

}  // namespace mimo
