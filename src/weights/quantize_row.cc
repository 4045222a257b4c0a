#include "weights/quantize_row.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/number_formats.h"
#include "kernels/matrix_view.h"
#include "weights/encode_block.h"
#include "weights/stored_type.h"

namespace mimo {
namespace {

constexpr float kFp16Max = 65504.0F;
constexpr float kQ80CodeMax = 127.0F;

// What QuantizeRow writes.
struct TypeEntry {
  StoredType type;
  StoredType fallback;                                        // where rows are not whole blocks
  float largest;                                              // magnitude that it can express
  void (*encode)(const EncoderInput& input, std::byte* out);  // null: not a searched block type
};

constexpr float kAnyFloat = std::numeric_limits<float>::max();
constexpr TypeEntry kTypes[] = {
    {StoredType::kF32, StoredType::kF32, kAnyFloat, nullptr},
    {StoredType::kF16, StoredType::kF16, kFp16Max, nullptr},
    {StoredType::kBf16, StoredType::kBf16, kAnyFloat, nullptr},
    {StoredType::kQ80, StoredType::kF16, kFp16Max* kQ80CodeMax, nullptr},
    {StoredType::kQ6K, StoredType::kQ80, kFp16Max * 32 * 127, EncodeQ6K},
    {StoredType::kQ5K, StoredType::kQ51, kFp16Max * 63, EncodeQ5K},
    {StoredType::kQ4K, StoredType::kQ50, kFp16Max * 63, EncodeQ4K},
    {StoredType::kQ3K, StoredType::kQ40, kFp16Max * 4 * 31, EncodeQ3K},
    {StoredType::kQ2K, StoredType::kQ40, kFp16Max * 15, EncodeQ2K},
    {StoredType::kIq4Xs, StoredType::kIq4Nl, kFp16Max * 113 * 31, EncodeIq4Xs},
    {StoredType::kIq4Nl, StoredType::kF16, kFp16Max * 113, EncodeIq4Nl},
    {StoredType::kMxFp4Block, StoredType::kF16, 0x1.8p127F, EncodeMxFp4},
    {StoredType::kQ51, StoredType::kF16, kFp16Max, EncodeQ51},
    {StoredType::kQ50, StoredType::kF16, kFp16Max * 15, EncodeQ50},
    {StoredType::kQ41, StoredType::kF16, kFp16Max, EncodeQ41},
    {StoredType::kQ40, StoredType::kF16, kFp16Max * 7, EncodeQ40},
};

const TypeEntry& EntryOf(StoredType type) {
  const auto* const entry = std::find_if(std::begin(kTypes), std::end(kTypes),
                                         [type](const TypeEntry& known) { return known.type == type; });
  MIMO_CHECK(entry != std::end(kTypes));
  return *entry;
}

const BlockGeometry& Geometry(StoredType type) {
  const std::optional<WeightType> weight_type = WeightTypeOf(type);
  MIMO_CHECK(weight_type.has_value());
  return GeometryOf(*weight_type);
}

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

// One block in the units that the encoders want.
class ScaledBlock {
 public:
  ScaledBlock(std::span<const float> x, std::span<const float> importance) {
    // Below 2^-30 the smallest float16 scale is too large for any code but 0.
    constexpr int kExponentMin = -30;
    const float largest = MaxMagnitude(x);
    input_.exponent = largest > 0 ? std::max(std::ilogb(largest), kExponentMin) : 0;
    for (size_t i = 0; i < x.size(); ++i) x_[i] = std::ldexp(x[i], -input_.exponent);
    // Proportions to the mean; columns that never mattered keep a little weight, so that sums do not vanish.
    constexpr float kLeastWeight = 1e-6F;
    double sum = 0;
    for (const float value : importance) sum += value;
    const double scale = sum > 0 ? static_cast<double>(x.size()) / sum : 0.0;
    for (size_t i = 0; i < x.size(); ++i) {
      weights_[i] = sum > 0 ? static_cast<float>(importance[i] * scale) + kLeastWeight : 1.0F;
    }
    input_.x = std::span(x_).first(x.size());
    input_.weights = std::span(weights_).first(x.size());
  }
  ScaledBlock(const ScaledBlock&) = delete;
  ScaledBlock& operator=(const ScaledBlock&) = delete;

  const EncoderInput& input() const { return input_; }

 private:
  std::array<float, kBlockColumnsMax> x_;
  std::array<float, kBlockColumnsMax> weights_;
  EncoderInput input_;
};

}  // namespace

std::optional<StoredType> QuantizedTypeFromName(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = c == 'K' ? 'k' : c;
  for (const TypeEntry& entry : kTypes) {
    if (QuantizedTypeName(entry.type) == lower) return entry.type;
  }
  return std::nullopt;
}

std::string_view QuantizedTypeName(StoredType type) { return Geometry(type).name; }

std::string QuantizedTypeNames() {
  std::string names;
  for (const TypeEntry& entry : kTypes) {
    if (!names.empty()) names += ", ";
    names += QuantizedTypeName(entry.type);
  }
  return names;
}

uint32_t QuantizedBlockSize(StoredType type) { return Geometry(EntryOf(type).type).columns; }

StoredType FittingType(StoredType type, size_t cols) {
  // Each step has smaller blocks, and f16 has none.
  while (cols % QuantizedBlockSize(type) != 0) type = EntryOf(type).fallback;
  return type;
}

size_t QuantizedRowBytes(StoredType type, size_t cols) {
  const BlockGeometry& block = Geometry(EntryOf(type).type);
  return cols / block.columns * block.bytes;
}

bool QuantizeRow(StoredType type, std::span<const float> row, std::span<const float> importance,
                 std::byte* out) {
  const TypeEntry& entry = EntryOf(type);
  if (!AllFinite(row) || MaxMagnitude(row) > entry.largest) return false;
  const BlockGeometry& block = Geometry(type);
  switch (type) {
    case StoredType::kF32:
      std::memcpy(out, row.data(), row.size_bytes());
      return true;
    case StoredType::kBf16:
      StorePlain<Bf16, ToBf16>(row, out);
      return true;
    case StoredType::kF16:
      StorePlain<Fp16, ToFp16>(row, out);
      return true;
    case StoredType::kQ80:
      for (size_t at = 0; at < row.size(); at += block.columns, out += block.bytes) {
        StoreQ80Block(row.subspan(at, block.columns), out);
      }
      return true;
    default:
      break;
  }
  for (size_t at = 0; at < row.size(); at += block.columns, out += block.bytes) {
    const std::span<const float> weights =
        importance.empty() ? importance : importance.subspan(at, block.columns);
    entry.encode(ScaledBlock(row.subspan(at, block.columns), weights).input(), out);
  }
  return true;
}

}  // namespace mimo
