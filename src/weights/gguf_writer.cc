#include "weights/gguf_writer.h"

#include <bit>
#include <cstring>
#include <optional>
#include <type_traits>

#include "base/check.h"

namespace mimo {
namespace {

constexpr uint32_t kVersion = 3;
constexpr uint64_t kAlignment = 32;  // the format's default, so that it needs no key of its own

template <typename T>
void Append(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little && std::is_trivially_copyable_v<T>);
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void AppendString(std::string& out, std::string_view text) {
  Append(out, static_cast<uint64_t>(text.size()));
  out += text;
}

uint64_t AlignUp(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

void GgufHeaderBuilder::AddKey(std::string_view key, GgufType type) {
  AppendString(metadata_, key);
  Append(metadata_, static_cast<uint32_t>(type));
  ++num_keys_;
}

void GgufHeaderBuilder::AddArray(std::string_view key, GgufType element_type, uint64_t count) {
  AddKey(key, GgufType::kArray);
  Append(metadata_, static_cast<uint32_t>(element_type));
  Append(metadata_, count);
}

void GgufHeaderBuilder::AddUint32(std::string_view key, uint32_t value) {
  AddKey(key, GgufType::kUint32);
  Append(metadata_, value);
}

void GgufHeaderBuilder::AddFloat32(std::string_view key, float value) {
  AddKey(key, GgufType::kFloat32);
  Append(metadata_, value);
}

void GgufHeaderBuilder::AddBool(std::string_view key, bool value) {
  AddKey(key, GgufType::kBool);
  Append(metadata_, static_cast<uint8_t>(value));
}

void GgufHeaderBuilder::AddString(std::string_view key, std::string_view value) {
  AddKey(key, GgufType::kString);
  AppendString(metadata_, value);
}

void GgufHeaderBuilder::AddUint32Array(std::string_view key, std::span<const uint32_t> values) {
  AddArray(key, GgufType::kUint32, values.size());
  for (const uint32_t value : values) Append(metadata_, value);
}

void GgufHeaderBuilder::AddInt32Array(std::string_view key, std::span<const int32_t> values) {
  AddArray(key, GgufType::kInt32, values.size());
  for (const int32_t value : values) Append(metadata_, value);
}

void GgufHeaderBuilder::AddBoolArray(std::string_view key, const std::vector<bool>& values) {
  AddArray(key, GgufType::kBool, values.size());
  for (const bool value : values) Append(metadata_, static_cast<uint8_t>(value));
}

void GgufHeaderBuilder::AddStringArray(std::string_view key, std::span<const std::string> values) {
  AddArray(key, GgufType::kString, values.size());
  for (const std::string& value : values) AppendString(metadata_, value);
}

std::string GgufHeaderBuilder::Finish(std::span<TensorLayout> tensors) const {
  std::string header = "GGUF";
  Append(header, kVersion);
  Append(header, static_cast<uint64_t>(tensors.size()));
  Append(header, num_keys_);
  header += metadata_;
  uint64_t position = 0;  // from the start of the data section
  for (TensorLayout& tensor : tensors) {
    AppendString(header, tensor.name);
    Append(header, static_cast<uint32_t>(tensor.shape.size()));
    // GGUF lists the innermost dimension first.
    for (size_t i = tensor.shape.size(); i-- > 0;) Append(header, tensor.shape[i]);
    const std::optional<uint32_t> type_id = GgmlTypeId(tensor.type);
    MIMO_CHECK(type_id.has_value());
    Append(header, *type_id);
    Append(header, position);
    tensor.offset = position;
    position = AlignUp(position + tensor.num_bytes());
  }
  header.resize(AlignUp(header.size()), '\0');
  for (TensorLayout& tensor : tensors) tensor.offset += header.size();
  return header;
}

}  // namespace mimo
