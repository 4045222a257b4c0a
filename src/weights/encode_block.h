#pragma once
// Encoders of ggml's block types: one block of float32 in, the bytes that a GGUF file stores out.
//
// All minimise sum_i weight_i (x_i - decoded_i)^2, the weights being the importance of the columns, and none
// is exact about it: scales and codes are found by alternating least squares from several starts, then scales
// are rounded one after another and the codes chosen again each time. The layouts are ggml's; the search is
// not, and its bytes are its own.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/number_formats.h"

namespace mimo {

constexpr uint32_t kSuperBlockColumns = 256;  // of the k types and iq4_xs
constexpr uint32_t kSmallBlockColumns = 32;   // of the others

// The block's numbers are x * 2^exponent with max |x| in [1, 2), so that no square overflows, or with smaller
// x where no scale could express them.
struct EncoderInput {
  std::span<const float> x;
  std::span<const float> weights;  // of the squared errors, each > 0
  int exponent = 0;
};

// A float16 scale of the block, seen in the units of EncoderInput::x.
class HalfScale {
 public:
  explicit HalfScale(int exponent) : exponent_(exponent) {}

  // The nearest finite float16.
  Fp16 Encode(float scale) const;
  // What the reader of the file sees.
  float Round(float scale) const;

 private:
  int exponent_;
};

// Each writes one block. Requires: as many columns as the type's block has.
void EncodeQ2K(const EncoderInput& input, std::byte* out);
void EncodeQ3K(const EncoderInput& input, std::byte* out);
void EncodeQ4K(const EncoderInput& input, std::byte* out);
void EncodeQ5K(const EncoderInput& input, std::byte* out);
void EncodeQ6K(const EncoderInput& input, std::byte* out);
void EncodeIq4Xs(const EncoderInput& input, std::byte* out);
void EncodeIq4Nl(const EncoderInput& input, std::byte* out);
void EncodeQ40(const EncoderInput& input, std::byte* out);
void EncodeQ41(const EncoderInput& input, std::byte* out);
void EncodeQ50(const EncoderInput& input, std::byte* out);
void EncodeQ51(const EncoderInput& input, std::byte* out);
void EncodeMxFp4(const EncoderInput& input, std::byte* out);

}  // namespace mimo
