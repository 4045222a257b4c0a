#include "weights/encode_block.h"

#include <algorithm>
#include <cmath>

namespace mimo {

Fp16 HalfScale::Encode(float scale) const {
  constexpr float kLargest = 65504.0F;
  return ToFp16(std::clamp(std::ldexp(scale, exponent_), -kLargest, kLargest));
}

float HalfScale::Round(float scale) const { return std::ldexp(ToFloat(Encode(scale)), -exponent_); }

}  // namespace mimo
