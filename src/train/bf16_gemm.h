#pragma once
// Matrix products of float32 matrices whose elements are rounded to bfloat16 on the way in and whose sums
// stay float32: twice the speed of a float32 product where the processor multiplies bfloat16.

#include <cstdint>

namespace mimo {

// Element (row, column) at data[row * row_stride + column * column_stride]; one of the strides is 1.
struct GemmOperand {
  const float* data = nullptr;
  int64_t row_stride = 0;
  int64_t column_stride = 0;
};

enum class GemmOutput : uint8_t { kOverwrite, kAdd };

struct Bf16GemmArgs {
  GemmOperand a;  // [rows, depth]
  GemmOperand b;  // [depth, columns]
  float* c = nullptr;
  int64_t c_stride = 0;  // between rows
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t depth = 0;
  GemmOutput output = GemmOutput::kOverwrite;
};

// Whether this machine has AVX512-BF16.
bool Bf16GemmSupported();

// C = A B or C += A B. On the calling thread, which keeps scratch memory for its next call. Requires:
// Bf16GemmSupported().
void Bf16Gemm(const Bf16GemmArgs& args);

}  // namespace mimo
