#pragma once
// One GGUF file, version 2 or 3, little-endian: metadata and tensor directory. A parser of outside bytes: it
// trusts no length, and answers kDataLoss with the file, the key or tensor, and the offset.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "weights/checkpoint.h"

namespace mimo {

// On-disk values: never renumber.
enum class GgufType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// One metadata value. Non-owning: points into the file, already checked to lie inside it.
struct GgufValue {
  GgufType type = GgufType::kUint8;  // of an element, for an array
  bool is_array = false;
  uint64_t count = 1;  // elements
  std::span<const std::byte> bytes;

  // Element `index` of a number or flag, converted; nothing when it is of another kind or does not fit.
  // Requires: index < count.
  std::optional<int64_t> Integer(uint64_t index = 0) const;
  std::optional<double> Number(uint64_t index = 0) const;
  // All strings of an array, or the only one; empty when the elements are not strings.
  std::vector<std::string_view> Strings() const;
};

struct GgufFile {
  uint32_t version = 0;
  std::unordered_map<std::string, GgufValue> metadata;
  std::vector<StoredTensor> tensors;  // by offset; file_index is 0; shapes outermost first

  // Null when there is no such key.
  const GgufValue* Find(std::string_view key) const;
  // The first string under `key`; empty when absent.
  std::string_view String(std::string_view key) const;
  std::optional<int64_t> Integer(std::string_view key) const;
};

// ggml's number for the type in a tensor directory; nothing when it has none.
std::optional<uint32_t> GgmlTypeId(StoredType type);

// The result points into `file`, which must outlive it. `file_name` is for messages.
Result<GgufFile> ParseGguf(std::span<const std::byte> file, std::string_view file_name);

}  // namespace mimo
