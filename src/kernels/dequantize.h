#pragma once
// From the stored types to float32, exactly: the numbers that ggml's own reference decoders give. Plain
// loops, one family a file; the fast kernels have their own way for the types that matter most and this one
// for the others.

#include <cstddef>

#include "kernels/block_layouts.h"
#include "kernels/matrix_view.h"

namespace mimo {

// Write the columns of one block to `out` [columns of the type].
void Decode(const BlockQ80& block, float* out);
void Decode(const BlockQ40& block, float* out);
void Decode(const BlockQ41& block, float* out);
void Decode(const BlockQ50& block, float* out);
void Decode(const BlockQ51& block, float* out);
void Decode(const BlockQ2K& block, float* out);
void Decode(const BlockQ3K& block, float* out);
void Decode(const BlockQ4K& block, float* out);
void Decode(const BlockQ5K& block, float* out);
void Decode(const BlockQ6K& block, float* out);
void Decode(const BlockIq4Nl& block, float* out);
void Decode(const BlockIq4Xs& block, float* out);
void Decode(const BlockIq3S& block, float* out);
void Decode(const BlockIq3Xxs& block, float* out);
void Decode(const BlockIq2S& block, float* out);
void Decode(const BlockIq2Xs& block, float* out);
void Decode(const BlockIq2Xxs& block, float* out);
void Decode(const BlockIq1S& block, float* out);
void Decode(const BlockIq1M& block, float* out);
void Decode(const BlockMxFp4& block, float* out);
void Decode(const BlockNvFp4& block, float* out);

// Decodes the block at `block`, of any alignment, to `out`.
using BlockDecoder = void (*)(const std::byte* block, float* out);

// Requires: IsBlockType(type).
BlockDecoder DecoderOf(WeightType type);

}  // namespace mimo
