#pragma once
// kernels/: arithmetic on plain buffers.
//
// Every operation has a plain twin (x_ref.cc) that a reader can check against the paper, and variants for
// instruction sets (x_avx2.cc, x_avx512.cc), each a file with its own compiler flags. A variant is picked
// once, at start-up, through the table below; nothing here allocates, knows of threads, or knows of the
// model.
//
// Order of summation. A fast variant sums a dot product in 16 lanes: lane i adds the products of columns i, i
// + 16, i + 32, ... in ascending order by fused multiply-add, and the lanes are folded 16 -> 8 -> 4 -> 2
// -> 1. The order depends on the column count alone: not on the number of tokens, on the range of rows, or on
// the variant. So a token alone, in a batch, in a chunk of any size and on any number of threads has the same
// bits. Weights in panels and variants that multiply in bfloat16 sum in other orders, for which the same
// holds (quantized_row.h, bf16_matmul_ref.h).

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/attention.h"
#include "kernels/matrix_view.h"
#include "kernels/quantized_row.h"

namespace mimo {

// Scratch memory of a product with a matrix of `cols` columns: two panels, unpacked.
constexpr size_t PanelScratchBytes(uint32_t cols) { return size_t{2} * 26 * Bf16RowColumns(cols); }

// y = W x for some rows of W and some tokens.
//
//   x_rows          [num_tokens] pointers to float32 [weights.cols]; read where the variant's row_form of the
//                   weights is kFloat32
//   quantized_rows  [num_tokens], of weights.cols columns in the variant's row_form; read where it is another
//   panel_scratch   PanelScratchBytes(weights.cols), aligned to 64 bytes, with quantized_rows
//   row_begin       of weights in panels, the first row of one
//   out             float32, out[t * out_stride + (r - row_begin)] for r in [row_begin, row_end); overwritten
//
// `out` must not overlap an input.
struct MatMulArgs {
  const MatrixView* weights = nullptr;
  const float* const* x_rows = nullptr;
  const QuantizedRow* quantized_rows = nullptr;
  std::byte* panel_scratch = nullptr;
  uint32_t num_tokens = 0;
  uint32_t row_begin = 0;
  uint32_t row_end = 0;
  float* out = nullptr;
  size_t out_stride = 0;
};

struct Kernels {
  const char* name;
  void (*matmul)(const MatMulArgs& args);
  // Whether matmul reads weights in panels (weight_panels.h), and multiplies those in integers.
  bool reads_panels;
  // What matmul reads of its inputs for these weights.
  RowForm (*row_form)(const MatrixView& weights);
  // Any form but kFloat32. The columns are whole blocks of the form.
  void (*quantize_row)(const float* x, uint32_t cols, RowForm form, const QuantizedRow& out);
  // Every KvElement.
  void (*attention)(const AttentionArgs& args);
  // out = x * weight / rms(x) over `size` elements; rms(x) = sqrt(mean(x^2) + epsilon). `out` may be `x`.
  void (*rms_norm)(const float* x, const float* weight, uint32_t size, float epsilon, float* out);
  // gate = silu(gate) * up, silu(x) = x / (1 + exp(-x)).
  void (*silu_multiply)(float* gate, const float* up, uint32_t size);
  // sum += factor * x
  void (*add_scaled)(const float* x, float factor, uint32_t size, float* sum);
};

// Plain loops in float32: the oracle of this project.
const Kernels& ReferenceKernels();

// Every variant that this machine can run, best last; the reference is the first.
std::span<const Kernels* const> SupportedKernels();

// The variant called `name`, or null if it is unknown or this machine cannot run it. "" means the best.
const Kernels* FindKernels(std::string_view name);

// Whether this processor reads panels at the memory's speed while it unpacks them for one token, without
// being told what comes next. With q4_k on one thread an EPYC 9005 goes from 78 to 128 tokens/s where it is
// told, an EPYC 9004 from 83 to 63.
bool LooksAheadWhileUnpacking();

}  // namespace mimo
