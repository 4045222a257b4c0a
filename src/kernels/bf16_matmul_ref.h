#pragma once
// The plain twin of the products in bfloat16: the same order and the same rounding, in loops to read.
//
// Columns go in steps of 32 and end with zeros. Lane i of 16 holds a float32 sum; a step adds to it the
// products of the columns 2 i + 1 and 2 i, in this order, each by a fused multiply-add that takes subnormal
// numbers for zero and gives zero for a subnormal result: so Intel's manual describes vdpbf16ps, and a Zen 4
// gives the same bits. Then lanes fold 16 -> 8 -> 4 -> 2 -> 1. FP8 weights have such sums for each block of
// 128 columns; a fused multiply-add of these and the block's scale adds them to the lanes.
//
// Against exact arithmetic on the same float32 inputs, a product is off by 2^-9 of its size at most, which is
// the rounding of the input, and the sum by what float32 sums are off. Weights and inputs below 2^-126 count
// as zero.

#include "kernels/kernels.h"

namespace mimo {

// y = W x from args.quantized_rows in the form kBf16; args.panel_scratch is not used. Requires: weights in
// kBf16 or kFp8E4M3.
void Bf16MatMulReference(const MatMulArgs& args);

}  // namespace mimo
