#pragma once
// Which of the types that files declare are which that kernels read.

#include <optional>

#include "kernels/matrix_view.h"
#include "weights/checkpoint.h"

namespace mimo {

// Whether it is one of ggml's block types that kernels read; rows are then whole blocks.
constexpr bool IsBlockType(StoredType type) { return type >= StoredType::kQ80 && type <= StoredType::kNvFp4; }

// Both enumerations list the block types in one order.
constexpr WeightType BlockWeightType(StoredType type) {
  constexpr int kDistance = static_cast<int>(WeightType::kQ80) - static_cast<int>(StoredType::kQ80);
  return static_cast<WeightType>(static_cast<int>(type) + kDistance);
}
static_assert(BlockWeightType(StoredType::kQ80) == WeightType::kQ80);
static_assert(BlockWeightType(StoredType::kQ4K) == WeightType::kQ4K);
static_assert(BlockWeightType(StoredType::kIq1M) == WeightType::kIq1M);
static_assert(BlockWeightType(StoredType::kNvFp4) == WeightType::kNvFp4);

// How kernels read a tensor of the type; kU8 is the codes of released MXFP4. Nothing when they cannot.
constexpr std::optional<WeightType> WeightTypeOf(StoredType type) {
  if (IsBlockType(type)) return BlockWeightType(type);
  switch (type) {
    case StoredType::kF32:
      return WeightType::kF32;
    case StoredType::kF16:
      return WeightType::kF16;
    case StoredType::kBf16:
      return WeightType::kBf16;
    case StoredType::kFp8E4M3:
      return WeightType::kFp8E4M3;
    case StoredType::kU8:
      return WeightType::kMxFp4;
    default:
      return std::nullopt;
  }
}

// The type under which a GGUF file can hold rows of the view as they are; nothing for those whose scales
// stand apart.
constexpr std::optional<StoredType> GgufTypeOf(WeightType type) {
  if (type == WeightType::kF32) return StoredType::kF32;
  if (type == WeightType::kF16) return StoredType::kF16;
  if (type == WeightType::kBf16) return StoredType::kBf16;
  if (!IsBlockType(type)) return std::nullopt;
  constexpr int kDistance = static_cast<int>(StoredType::kQ80) - static_cast<int>(WeightType::kQ80);
  return static_cast<StoredType>(static_cast<int>(type) + kDistance);
}

}  // namespace mimo
