#include "weights/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "kernels/matrix_view.h"
#include "weights/stored_type.h"

namespace mimo {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kMetadataMax = 1U << 16;
constexpr uint64_t kTensorsMax = 1U << 20;
constexpr uint64_t kNameBytesMax = 1024;
constexpr uint32_t kDimensionsMax = 4;
constexpr uint64_t kAlignmentDefault = 32;
constexpr uint64_t kAlignmentMax = 1U << 20;

// ggml's element types. A quantised one stores blocks of elements of the innermost dimension.
struct ElementType {
  uint32_t id;  // on-disk values: never renumber
  StoredType type;
  BlockGeometry block;
};

constexpr ElementType Readable(uint32_t id, StoredType type) {
  return {id, type, GeometryOf(WeightTypeOf(type).value())};
}

constexpr ElementType kElementTypes[] = {
    Readable(0, StoredType::kF32),
    Readable(1, StoredType::kF16),
    Readable(2, StoredType::kQ40),
    Readable(3, StoredType::kQ41),
    Readable(6, StoredType::kQ50),
    Readable(7, StoredType::kQ51),
    Readable(8, StoredType::kQ80),
    {9, StoredType::kGgufQuantized, {"q8_1", 32, 36}},
    Readable(10, StoredType::kQ2K),
    Readable(11, StoredType::kQ3K),
    Readable(12, StoredType::kQ4K),
    Readable(13, StoredType::kQ5K),
    Readable(14, StoredType::kQ6K),
    {15, StoredType::kGgufQuantized, {"q8_k", 256, 292}},
    Readable(16, StoredType::kIq2Xxs),
    Readable(17, StoredType::kIq2Xs),
    Readable(18, StoredType::kIq3Xxs),
    Readable(19, StoredType::kIq1S),
    Readable(20, StoredType::kIq4Nl),
    Readable(21, StoredType::kIq3S),
    Readable(22, StoredType::kIq2S),
    Readable(23, StoredType::kIq4Xs),
    {24, StoredType::kI8, {"i8", 1, 1}},
    {25, StoredType::kI16, {"i16", 1, 2}},
    {26, StoredType::kI32, {"i32", 1, 4}},
    {27, StoredType::kI64, {"i64", 1, 8}},
    {28, StoredType::kF64, {"f64", 1, 8}},
    Readable(29, StoredType::kIq1M),
    Readable(30, StoredType::kBf16),
    {34, StoredType::kGgufQuantized, {"tq1_0", 256, 54}},
    {35, StoredType::kGgufQuantized, {"tq2_0", 256, 66}},
    Readable(39, StoredType::kMxFp4Block),
    Readable(40, StoredType::kNvFp4),
};

// Bytes of one scalar; 0 for strings, arrays and unknown types.
uint64_t ScalarBytes(GgufType type) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kBool:
      return 1;
    case GgufType::kUint16:
    case GgufType::kInt16:
      return 2;
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kFloat32:
      return 4;
    case GgufType::kUint64:
    case GgufType::kInt64:
    case GgufType::kFloat64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      break;
  }
  return 0;
}

uint64_t LoadUnsigned(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

// Reads forward through the file; every read is checked against its end.
class Cursor {
 public:
  Cursor(std::span<const std::byte> file, std::string_view file_name) : file_(file), file_name_(file_name) {}

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return file_.size() - offset_; }
  std::string_view file_name() const { return file_name_; }

  Result<std::span<const std::byte>> Bytes(uint64_t count, std::string_view what) {
    if (count > remaining()) {
      return DataLoss("{} needs {} bytes, {} are left ({}, offset {}): the file is truncated or damaged",
                      what, count, remaining(), file_name_, offset_);
    }
    const auto bytes = file_.subspan(offset_, count);
    offset_ += count;
    return bytes;
  }

  template <typename T>
  Result<T> Unsigned(std::string_view what) {
    MIMO_ASSIGN_OR_RETURN(const auto bytes, Bytes(sizeof(T), what));
    return static_cast<T>(LoadUnsigned(bytes));
  }

  Result<std::string_view> String(std::string_view what) {
    MIMO_ASSIGN_OR_RETURN(const uint64_t size, Unsigned<uint64_t>(what));
    MIMO_ASSIGN_OR_RETURN(const auto bytes, Bytes(size, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  Result<std::string> Name(std::string_view what) {
    const uint64_t begin = offset_;
    MIMO_ASSIGN_OR_RETURN(const std::string_view name, String(what));
    if (name.empty() || name.size() > kNameBytesMax) {
      return DataLoss("{} of {} bytes ({}, offset {})", what, name.size(), file_name_, begin);
    }
    return std::string(name);
  }

 private:
  std::span<const std::byte> file_;
  std::string_view file_name_;
  uint64_t offset_ = 0;
};

Result<GgufValue> ReadValue(Cursor& cursor, const std::string& key) {
  GgufValue value;
  const std::string what = fmt::format("the value of '{}'", key);
  MIMO_ASSIGN_OR_RETURN(uint32_t type, cursor.Unsigned<uint32_t>(what));
  if (type == static_cast<uint32_t>(GgufType::kArray)) {
    value.is_array = true;
    MIMO_ASSIGN_OR_RETURN(type, cursor.Unsigned<uint32_t>(what));
    MIMO_ASSIGN_OR_RETURN(value.count, cursor.Unsigned<uint64_t>(what));
  }
  value.type = static_cast<GgufType>(type);
  const uint64_t scalar_bytes = ScalarBytes(value.type);
  if (scalar_bytes != 0) {
    if (value.count > cursor.remaining() / scalar_bytes) {
      return DataLoss("{} has {} elements, more than the file holds ({}, offset {})", what, value.count,
                      cursor.file_name(), cursor.offset());
    }
    MIMO_ASSIGN_OR_RETURN(value.bytes, cursor.Bytes(value.count * scalar_bytes, what));
    return value;
  }
  if (value.type != GgufType::kString) {
    return DataLoss("{} is of the unknown type {} ({}, offset {})", what, type, cursor.file_name(),
                    cursor.offset());
  }
  // Each string takes 8 bytes at least, so the file's size bounds this loop.
  Cursor strings = cursor;
  for (uint64_t i = 0; i < value.count; ++i) MIMO_RETURN_IF_ERROR(strings.String(what));
  MIMO_ASSIGN_OR_RETURN(value.bytes, cursor.Bytes(strings.offset() - cursor.offset(), what));
  return value;
}

const ElementType* FindElementType(uint32_t id) {
  for (const ElementType& known : kElementTypes) {
    if (known.id == id) return &known;
  }
  return nullptr;
}

// `shape` is outermost first; the block runs along the last dimension. Nothing when it does not divide or
// the product overflows.
std::optional<uint64_t> TensorBytes(const std::vector<uint64_t>& shape, const ElementType& type) {
  if (shape.back() % type.block.columns != 0) return std::nullopt;
  uint64_t bytes = type.block.bytes;
  for (size_t i = 0; i < shape.size(); ++i) {
    const uint64_t extent = i + 1 == shape.size() ? shape[i] / type.block.columns : shape[i];
    if (extent != 0 && bytes > std::numeric_limits<uint64_t>::max() / extent) return std::nullopt;
    bytes *= extent;
  }
  return bytes;
}

// An entry of the directory; `tensor.offset` is still relative to the data.
struct DirectoryEntry {
  StoredTensor tensor;
  uint64_t bytes = 0;
};

Result<DirectoryEntry> ReadDirectoryEntry(Cursor& cursor) {
  DirectoryEntry entry;
  const uint64_t begin = cursor.offset();
  MIMO_ASSIGN_OR_RETURN(entry.tensor.name, cursor.Name("a tensor's name"));
  const std::string what = fmt::format("tensor '{}'", entry.tensor.name);
  MIMO_ASSIGN_OR_RETURN(const uint32_t num_dimensions, cursor.Unsigned<uint32_t>(what));
  if (num_dimensions == 0 || num_dimensions > kDimensionsMax) {
    return DataLoss("{} has {} dimensions ({}, offset {})", what, num_dimensions, cursor.file_name(), begin);
  }
  entry.tensor.shape.resize(num_dimensions);
  for (uint32_t i = num_dimensions; i > 0; --i) {  // innermost first in the file
    MIMO_ASSIGN_OR_RETURN(entry.tensor.shape[i - 1], cursor.Unsigned<uint64_t>(what));
  }
  MIMO_ASSIGN_OR_RETURN(const uint32_t type_id, cursor.Unsigned<uint32_t>(what));
  MIMO_ASSIGN_OR_RETURN(entry.tensor.offset, cursor.Unsigned<uint64_t>(what));
  const ElementType* const type = FindElementType(type_id);
  if (type == nullptr) {
    return Unimplemented("{} has the unknown ggml type {} ({}, offset {})", what, type_id, cursor.file_name(),
                         begin);
  }
  entry.tensor.type = type->type;
  entry.tensor.type_name = type->block.name;
  const std::optional<uint64_t> bytes = TensorBytes(entry.tensor.shape, *type);
  if (!bytes.has_value()) {
    return DataLoss("{} of type {} has the impossible shape [{}] ({}, offset {})", what, type->block.name,
                    fmt::join(entry.tensor.shape, ","), cursor.file_name(), begin);
  }
  entry.bytes = *bytes;
  return entry;
}

Result<uint64_t> ReadAlignment(const GgufFile& gguf, std::string_view file_name) {
  if (gguf.Find("general.alignment") == nullptr) return kAlignmentDefault;
  const std::optional<int64_t> value = gguf.Integer("general.alignment");
  if (!value.has_value() || *value < 1 || *value > static_cast<int64_t>(kAlignmentMax) ||
      !std::has_single_bit(static_cast<uint64_t>(*value))) {
    return DataLoss("'general.alignment' must be a power of two of at most {} ({})", kAlignmentMax,
                    file_name);
  }
  return static_cast<uint64_t>(*value);
}

// Turns the directory into tensors of the file; each must begin at an aligned offset behind the one before.
Status PlaceTensors(std::vector<DirectoryEntry> entries, std::span<const std::byte> data, uint64_t data_begin,
                    std::string_view file_name, GgufFile& gguf) {
  std::stable_sort(entries.begin(), entries.end(), [](const DirectoryEntry& a, const DirectoryEntry& b) {
    return a.tensor.offset != b.tensor.offset ? a.tensor.offset < b.tensor.offset : a.bytes < b.bytes;
  });
  uint64_t at = 0;
  const std::string* previous = nullptr;
  gguf.tensors.reserve(entries.size());
  for (DirectoryEntry& entry : entries) {
    StoredTensor& tensor = entry.tensor;
    if (tensor.offset > data.size() || entry.bytes > data.size() - tensor.offset) {
      return DataLoss(
          "tensor '{}' needs {} bytes at byte {} of {} bytes of data ({}, offset {}): the file is truncated "
          "or damaged",
          tensor.name, entry.bytes, tensor.offset, data.size(), file_name,
          data_begin + std::min<uint64_t>(tensor.offset, data.size()));
    }
    if (tensor.offset < at) {
      return DataLoss("tensor '{}' overlaps tensor '{}' ({}, offset {})", tensor.name, *previous, file_name,
                      data_begin + tensor.offset);
    }
    tensor.data = data.subspan(tensor.offset, entry.bytes);
    at = tensor.offset + entry.bytes;
    tensor.offset += data_begin;
    gguf.tensors.push_back(std::move(tensor));
    previous = &gguf.tensors.back().name;
  }
  return {};
}

struct Counts {
  uint64_t tensors = 0;
  uint64_t metadata = 0;
};

Result<Counts> ReadPreamble(Cursor& cursor, GgufFile& gguf) {
  MIMO_ASSIGN_OR_RETURN(const uint32_t magic, cursor.Unsigned<uint32_t>("the magic number"));
  if (magic != kMagic) return DataLoss("not a GGUF file ({}, offset 0)", cursor.file_name());
  MIMO_ASSIGN_OR_RETURN(gguf.version, cursor.Unsigned<uint32_t>("the version"));
  if (gguf.version != 2 && gguf.version != 3) {
    return Unimplemented(
        "GGUF version {} is not supported ({}, offset 4): only little-endian versions 2 and 3 are",
        gguf.version, cursor.file_name());
  }
  Counts counts;
  MIMO_ASSIGN_OR_RETURN(counts.tensors, cursor.Unsigned<uint64_t>("the tensor count"));
  MIMO_ASSIGN_OR_RETURN(counts.metadata, cursor.Unsigned<uint64_t>("the metadata count"));
  if (counts.tensors > kTensorsMax || counts.metadata > kMetadataMax) {
    return DataLoss("{} tensors and {} metadata keys are more than any model has ({}, offset 8)",
                    counts.tensors, counts.metadata, cursor.file_name());
  }
  return counts;
}

}  // namespace

std::optional<int64_t> GgufValue::Integer(uint64_t index) const {
  MIMO_CHECK(index < count);
  const uint64_t size = ScalarBytes(type);
  if (size == 0 || type == GgufType::kFloat32 || type == GgufType::kFloat64) return std::nullopt;
  const uint64_t raw = LoadUnsigned(bytes.subspan(index * size, size));
  switch (type) {
    case GgufType::kBool:
      return raw != 0 ? 1 : 0;
    case GgufType::kInt8:
      return static_cast<int8_t>(raw);
    case GgufType::kInt16:
      return static_cast<int16_t>(raw);
    case GgufType::kInt32:
      return static_cast<int32_t>(raw);
    case GgufType::kUint64:
      if (raw > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
      [[fallthrough]];
    default:
      return static_cast<int64_t>(raw);
  }
}

std::optional<double> GgufValue::Number(uint64_t index) const {
  MIMO_CHECK(index < count);
  if (type == GgufType::kFloat32) {
    return std::bit_cast<float>(static_cast<uint32_t>(LoadUnsigned(bytes.subspan(index * 4, 4))));
  }
  if (type == GgufType::kFloat64) return std::bit_cast<double>(LoadUnsigned(bytes.subspan(index * 8, 8)));
  const std::optional<int64_t> integer = Integer(index);
  if (!integer.has_value()) return std::nullopt;
  return static_cast<double>(*integer);
}

std::vector<std::string_view> GgufValue::Strings() const {
  std::vector<std::string_view> strings;
  if (type != GgufType::kString) return strings;
  strings.reserve(count);  // bounded: ParseGguf walked this many strings
  size_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const auto size = static_cast<size_t>(LoadUnsigned(bytes.subspan(at, 8)));
    strings.emplace_back(reinterpret_cast<const char*>(bytes.data()) + at + 8, size);
    at += 8 + size;
  }
  return strings;
}

const GgufValue* GgufFile::Find(std::string_view key) const {
  const auto it = metadata.find(std::string(key));
  return it == metadata.end() ? nullptr : &it->second;
}

std::string_view GgufFile::String(std::string_view key) const {
  const GgufValue* const value = Find(key);
  if (value == nullptr || value->is_array || value->type != GgufType::kString) return {};
  return value->Strings().front();
}

std::optional<int64_t> GgufFile::Integer(std::string_view key) const {
  const GgufValue* const value = Find(key);
  if (value == nullptr || value->is_array) return std::nullopt;
  return value->Integer();
}

std::optional<uint32_t> GgmlTypeId(StoredType type) {
  if (type == StoredType::kGgufQuantized) return std::nullopt;
  for (const ElementType& known : kElementTypes) {
    if (known.type == type) return known.id;
  }
  return std::nullopt;
}

Result<GgufFile> ParseGguf(std::span<const std::byte> file, std::string_view file_name) {
  Cursor cursor(file, file_name);
  GgufFile gguf;
  MIMO_ASSIGN_OR_RETURN(const Counts counts, ReadPreamble(cursor, gguf));
  for (uint64_t i = 0; i < counts.metadata; ++i) {
    const uint64_t begin = cursor.offset();
    MIMO_ASSIGN_OR_RETURN(std::string key, cursor.Name("a metadata key"));
    MIMO_ASSIGN_OR_RETURN(const GgufValue value, ReadValue(cursor, key));
    if (!gguf.metadata.emplace(key, value).second) {
      return DataLoss("the key '{}' stands twice ({}, offset {})", key, file_name, begin);
    }
  }
  MIMO_ASSIGN_OR_RETURN(const uint64_t alignment, ReadAlignment(gguf, file_name));
  std::vector<DirectoryEntry> entries;
  for (uint64_t i = 0; i < counts.tensors; ++i) {
    const uint64_t begin = cursor.offset();
    MIMO_ASSIGN_OR_RETURN(DirectoryEntry entry, ReadDirectoryEntry(cursor));
    if (entry.tensor.offset % alignment != 0) {
      return DataLoss("tensor '{}' is not aligned to {} bytes ({}, offset {})", entry.tensor.name, alignment,
                      file_name, begin);
    }
    entries.push_back(std::move(entry));
  }
  const uint64_t data_begin =
      std::min<uint64_t>((cursor.offset() + alignment - 1) / alignment * alignment, file.size());
  MIMO_RETURN_IF_ERROR(
      PlaceTensors(std::move(entries), file.subspan(data_begin), data_begin, file_name, gguf));
  return gguf;
}

}  // namespace mimo
