// The variants for AVX-512 with BF16 and VBMI: bfloat16 and FP8 weights, and in one of them bfloat16 keys and
// values, are multiplied as bfloat16 numbers, everything else as in the VNNI variant.

#include <array>
#include <utility>

// clang-format off
#include "kernels/simd_avx512.h"
#include "kernels/simd_math.h"
#include "kernels/attention_simd.h"
#include "kernels/bf16_dot_avx512.h"
#include "kernels/bf16_matmul_avx512.h"
#include "kernels/fp8_matmul_avx512.h"
#include "kernels/attention_bf16_avx512.h"
// clang-format on
#include "kernels/variants.h"

namespace mimo {
namespace {

RowForm Bf16RowForm(const MatrixView& weights) {
  if (weights.type == WeightType::kBf16 || weights.type == WeightType::kFp8E4M3) return RowForm::kBf16;
  return Avx512VnniKernels().row_form(weights);
}

void MatMulInBf16(const MatMulArgs& args) {
  switch (args.weights->type) {
    case WeightType::kBf16:
      return Bf16MatMul(args);
    case WeightType::kFp8E4M3:
      return Fp8MatMul(args);
    default:
      return Avx512VnniKernels().matmul(args);
  }
}

void QuantizeRowToBf16(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out) {
  if (form == RowForm::kBf16) return RoundRowToBf16(x, cols, out.bf16);
  Avx512VnniKernels().quantize_row(x, cols, form, out);
}

void AttentionInBf16(const AttentionArgs& args) {
  if (AreBf16Products(args)) return PieceAttention<Bf16Products>(args).Run();
  Avx512VnniKernels().attention(args);
}

}  // namespace

const Kernels& Avx512Bf16MatMulKernels() {
  static const Kernels kKernels = [] {
    Kernels table = Avx512VnniKernels();
    table.name = "avx512_bf16_matmul";
    table.matmul = MatMulInBf16;
    table.row_form = Bf16RowForm;
    table.quantize_row = QuantizeRowToBf16;
    return table;
  }();
  return kKernels;
}

const Kernels& Avx512Bf16Kernels() {
  static const Kernels kKernels = [] {
    Kernels table = Avx512Bf16MatMulKernels();
    table.name = "avx512_bf16";
    table.attention = AttentionInBf16;
    return table;
  }();
  return kKernels;
}

}  // namespace mimo
