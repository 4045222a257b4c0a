#include "weights/quantize_row.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/number_formats.h"
#include "kernels/matrix_view.h"

namespace mimo {
namespace {

constexpr float kFp16Max = 65504.0F;
constexpr float kQ80CodeMax = 127.0F;

float MaxMagnitude(std::span<const float> row) {
  float maximum = 0;
  for (const float value : row) maximum = std::max(maximum, std::fabs(value));
  return maximum;
}

bool AllFinite(std::span<const float> row) {
  return std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); });
}

template <typename Element, Element (*kConvert)(float)>
void StorePlain(std::span<const float> row, std::byte* out) {
  for (size_t i = 0; i < row.size(); ++i) {
    const Element element = kConvert(row[i]);
    std::memcpy(out + i * sizeof(Element), &element, sizeof(Element));
  }
}

void StoreQ80Block(std::span<const float> block, std::byte* out) {
  const float step = MaxMagnitude(block) / kQ80CodeMax;
  const float inverse = step > 0 ? 1.0F / step : 0.0F;
  const Fp16 scale = ToFp16(step);
  std::memcpy(out, &scale, sizeof(scale));
  for (size_t i = 0; i < block.size(); ++i) {
    // Clamped because the inverse of a subnormal step may be infinite.
    const float code = std::clamp(std::round(block[i] * inverse), -kQ80CodeMax, kQ80CodeMax);
    out[sizeof(scale) + i] = static_cast<std::byte>(static_cast<int8_t>(code));
  }
}

}  // namespace

std::optional<StoredType> QuantizedTypeFromName(std::string_view name) {
  if (name == "f32") return StoredType::kF32;
  if (name == "f16") return StoredType::kF16;
  if (name == "bf16") return StoredType::kBf16;
  if (name == "q8_0") return StoredType::kQ80;
  return std::nullopt;
}

uint32_t QuantizedBlockSize(StoredType type) { return type == StoredType::kQ80 ? kQ80BlockSize : 1; }

size_t QuantizedRowBytes(StoredType type, size_t cols) {
  switch (type) {
    case StoredType::kF32:
      return 4 * cols;
    case StoredType::kF16:
    case StoredType::kBf16:
      return 2 * cols;
    case StoredType::kQ80:
      return cols / kQ80BlockSize * kQ80BlockBytes;
    default:
      MIMO_CHECK(false);
  }
}

bool QuantizeRow(StoredType type, std::span<const float> row, std::byte* out) {
  if (!AllFinite(row)) return false;
  switch (type) {
    case StoredType::kF32:
      std::memcpy(out, row.data(), row.size_bytes());
      return true;
    case StoredType::kBf16:
      StorePlain<Bf16, ToBf16>(row, out);
      return true;
    case StoredType::kF16:
      if (MaxMagnitude(row) > kFp16Max) return false;
      StorePlain<Fp16, ToFp16>(row, out);
      return true;
    case StoredType::kQ80:
      if (MaxMagnitude(row) > kFp16Max * kQ80CodeMax) return false;
      for (size_t at = 0; at < row.size(); at += kQ80BlockSize) {
        StoreQ80Block(row.subspan(at, kQ80BlockSize), out + at / kQ80BlockSize * kQ80BlockBytes);
      }
      return true;
    default:
      MIMO_CHECK(false);
  }
}

}  // namespace mimo
