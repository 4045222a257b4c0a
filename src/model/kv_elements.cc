#include "model/kv_elements.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/number_formats.h"
#include "kernels/block_layouts.h"

namespace mimo {
namespace {

constexpr size_t kBlockElements = 32;

using BlockValues = std::span<const float, kBlockElements>;

// The element of the largest magnitude, with its sign; NaN if one is not finite.
float LargestWithSign(BlockValues values) {
  float largest = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) return std::numeric_limits<float>::quiet_NaN();
    if (std::fabs(value) > std::fabs(largest)) largest = value;
  }
  return largest;
}

// 0 where there is none: numbers that small become 0, as in the float16 scale.
float Inverse(float scale) {
  const float inverse = 1.0F / scale;
  return std::isfinite(inverse) ? inverse : 0.0F;
}

void Encode(BlockValues values, BlockQ80* block) {
  const float scale = std::fabs(LargestWithSign(values)) / 127.0F;
  const float inverse = Inverse(scale);
  block->scale = ToFp16(scale);
  for (size_t i = 0; i < kBlockElements; ++i) {
    const float code = std::isnan(scale) ? 1.0F : std::round(values[i] * inverse);
    block->codes[i] = static_cast<int8_t>(std::clamp(code, -127.0F, 127.0F));
  }
}

void Encode(BlockValues values, BlockQ40* block) {
  constexpr size_t kHalf = kBlockElements / 2;
  const float scale = LargestWithSign(values) / -8.0F;
  const float inverse = Inverse(scale);
  block->scale = ToFp16(scale);
  const auto code = [&](float value) {
    if (std::isnan(scale)) return 15U;
    return static_cast<unsigned>(std::clamp(value * inverse + 8.5F, 0.0F, 15.0F));
  };
  for (size_t i = 0; i < kHalf; ++i) {
    block->codes[i] = static_cast<uint8_t>(code(values[i]) | code(values[i + kHalf]) << 4U);
  }
}

template <typename Block>
void StoreBlocks(std::span<const float> values, std::byte* out) {
  for (size_t i = 0; i < values.size(); i += kBlockElements, out += sizeof(Block)) {
    Block block;
    Encode(values.subspan(i).first<kBlockElements>(), &block);
    std::memcpy(out, &block, sizeof(block));
  }
}

}  // namespace

void StoreKvElements(KvType type, std::span<const float> values, std::byte* out) {
  switch (type) {
    case KvType::kF32:
      std::memcpy(out, values.data(), values.size_bytes());
      return;
    case KvType::kBf16:
      for (size_t i = 0; i < values.size(); ++i) {
        const Bf16 element = ToBf16(values[i]);
        std::memcpy(out + i * sizeof(element), &element, sizeof(element));
      }
      return;
    case KvType::kQ80:
      return StoreBlocks<BlockQ80>(values, out);
    case KvType::kQ40:
      return StoreBlocks<BlockQ40>(values, out);
  }
}

}  // namespace mimo
