#include "weights/safetensors_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/json.h"
#include "kernels/matrix_view.h"
#include "weights/stored_type.h"

namespace mimo {
namespace {

constexpr size_t kHeaderAlignment = 8;

const char* SafetensorsTypeName(StoredType type) {
  switch (type) {
    case StoredType::kF32:
      return "F32";
    case StoredType::kF16:
      return "F16";
    case StoredType::kBf16:
      return "BF16";
    case StoredType::kFp8E4M3:
      return "F8_E4M3";
    case StoredType::kU8:
      return "U8";
    default:
      MIMO_CHECK(false);
  }
}

}  // namespace

uint64_t StoredTypeSize(StoredType type) {
  switch (type) {
    case StoredType::kF32:
      return 4;
    case StoredType::kF16:
    case StoredType::kBf16:
      return 2;
    case StoredType::kFp8E4M3:
    case StoredType::kU8:
      return 1;
    default:
      MIMO_CHECK(false);
  }
}

uint64_t TensorLayout::num_bytes() const {
  uint64_t elements = 1;
  for (const uint64_t extent : shape) elements *= extent;
  if (IsBlockType(type)) {
    const BlockGeometry& block = GeometryOf(BlockWeightType(type));
    return elements / block.columns * block.bytes;
  }
  return elements * StoredTypeSize(type);
}

std::string SafetensorsHeader(std::span<TensorLayout> tensors) {
  static_assert(std::endian::native == std::endian::little);
  Json json = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t position = 0;
  for (const TensorLayout& tensor : tensors) {
    const uint64_t end = position + tensor.num_bytes();
    // Not operator[], which searches all keys of an ordered object: quadratic.
    json.get_ref<Json::object_t&>().push_back({tensor.name,
                                               {{"dtype", SafetensorsTypeName(tensor.type)},
                                                {"shape", tensor.shape},
                                                {"data_offsets", {position, end}}}});
    position = end;
  }
  std::string text = DumpJson(json);
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  const uint64_t length = text.size();
  std::string header(sizeof(length), '\0');
  std::memcpy(header.data(), &length, sizeof(length));
  header += text;
  uint64_t offset = header.size();
  for (TensorLayout& tensor : tensors) {
    tensor.offset = offset;
    offset += tensor.num_bytes();
  }
  return header;
}

std::string SafetensorsIndexJson(std::vector<SafetensorsIndexEntry> entries,
                                 const SafetensorsIndexMetadata& metadata) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.tensor < b.tensor; });
  Json map = Json::object();
  for (const SafetensorsIndexEntry& entry : entries) {
    map.get_ref<Json::object_t&>().push_back({entry.tensor, entry.file});
  }
  Json json = {{"metadata", {{"total_size", metadata.total_size}}}};
  if (metadata.tp_size > 0) json["metadata"]["tp_size"] = metadata.tp_size;
  if (!metadata.save_format.empty()) json["metadata"]["save_format"] = metadata.save_format;
  json["weight_map"] = std::move(map);
  return DumpJson(json);
}

}  // namespace mimo
