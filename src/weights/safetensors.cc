// A file is: header length (8 bytes, little-endian), the header as JSON, the data. The header of the largest
// release's index has 160 thousand keys, so both are read event by event: a JSON tree with ordered keys would
// take quadratic time.
#include "weights/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/json.h"

namespace mimo {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kHeaderBytesMax = 100'000'000;  // the limit of the reference implementation
constexpr size_t kDimensionsMax = 8;
constexpr size_t kNameBytesMax = 4096;
constexpr size_t kNestingMax = 4;

struct ElementType {
  const char* name;
  StoredType type;
  uint32_t bytes;
};

constexpr ElementType kElementTypes[] = {
    {"F32", StoredType::kF32, 4},         {"F16", StoredType::kF16, 2},   {"BF16", StoredType::kBf16, 2},
    {"F8_E4M3", StoredType::kFp8E4M3, 1}, {"U8", StoredType::kU8, 1},     {"I8", StoredType::kI8, 1},
    {"I16", StoredType::kI16, 2},         {"I32", StoredType::kI32, 4},   {"I64", StoredType::kI64, 8},
    {"F64", StoredType::kF64, 8},         {"BOOL", StoredType::kBool, 1}, {"F8_E8M0", StoredType::kU8, 1},
    {"F8_E5M2", StoredType::kOther, 1},   {"U16", StoredType::kOther, 2}, {"U32", StoredType::kOther, 4},
    {"U64", StoredType::kOther, 8},       {"C64", StoredType::kOther, 8},
};

// One entry of the header as written, before anything is checked.
struct HeaderEntry {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> data_offsets;
};

// Receives JSON events and keeps track of where in the document they are. Any event outside the expected
// shape ends the parse with `problem_`.
class EventHandler : public nlohmann::json_sax<Json> {
 public:
  const std::string& problem() const { return problem_; }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Unexpected("a fraction"); }
  bool binary(binary_t&) override { return Unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    if (problem_.empty()) problem_ = fmt::format("malformed JSON at byte {}", position);
    return false;
  }

 protected:
  bool Unexpected(std::string_view what) {
    return Fail(fmt::format("unexpected {} after key '{}'", what, last_key_.substr(0, 200)));
  }
  bool Fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool RememberKey(const std::string& key) {
    if (key.size() > kNameBytesMax) return Fail(fmt::format("a name of {} bytes", key.size()));
    last_key_ = key;
    return true;
  }

  std::string last_key_;

 private:
  std::string problem_;
};

// {"tensor": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, "__metadata__": {"key": "text"}}
class HeaderHandler : public EventHandler {
 public:
  std::vector<HeaderEntry>& entries() { return entries_; }

  bool start_object(std::size_t) override {
    if (++depth_ > 2 || in_array_) return Unexpected("an object");
    if (depth_ < 2) return true;
    in_metadata_ = last_key_ == "__metadata__";
    if (!in_metadata_) entries_.push_back({last_key_, {}, {}, {}});
    return true;
  }
  bool end_object() override {
    --depth_;
    in_metadata_ = false;
    return true;
  }
  bool key(string_t& name) override { return RememberKey(name); }
  bool string(string_t& text) override {
    if (in_metadata_) return true;
    if (depth_ != 2 || in_array_ || last_key_ != "dtype") return Unexpected("a string");
    entries_.back().dtype = text;
    return true;
  }
  bool start_array(std::size_t) override {
    const bool expected =
        depth_ == 2 && !in_metadata_ && !in_array_ && (last_key_ == "shape" || last_key_ == "data_offsets");
    if (!expected) return Unexpected("an array");
    in_array_ = true;
    if (!Numbers().empty()) return Fail(fmt::format("key '{}' twice", last_key_));
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (!in_array_) return Unexpected("a number");
    if (Numbers().size() == kDimensionsMax)
      return Fail(fmt::format("more than {} numbers in '{}'", kDimensionsMax, last_key_));
    Numbers().push_back(number);
    return true;
  }

 private:
  std::vector<uint64_t>& Numbers() {
    return last_key_ == "shape" ? entries_.back().shape : entries_.back().data_offsets;
  }

  std::vector<HeaderEntry> entries_;
  size_t depth_ = 0;
  bool in_metadata_ = false;
  bool in_array_ = false;
};

// {"metadata": {"total_size": 1, "tp_size": 4, ...}, "weight_map": {"tensor": "file.safetensors"}}
class IndexHandler : public EventHandler {
 public:
  SafetensorsIndex& index() { return index_; }
  bool has_weight_map() const { return has_weight_map_; }

  bool null() override { return depth_ < 1 || InWeightMap() ? Unexpected("null") : true; }
  bool boolean(bool) override { return depth_ < 1 || InWeightMap() ? Unexpected("a boolean") : true; }
  bool number_integer(number_integer_t) override { return InWeightMap() ? Unexpected("a number") : true; }
  bool number_float(number_float_t, const string_t&) override {
    return InWeightMap() ? Unexpected("a number") : true;
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (InWeightMap()) return Unexpected("a number");
    if (depth_ == 2 && section_ == "metadata" && last_key_ == "tp_size") index_.tp_size = number;
    return true;
  }
  bool string(string_t& text) override {
    if (depth_ < 1) return Unexpected("a string");
    if (InWeightMap()) index_.file_by_tensor.emplace_back(last_key_, text);
    return true;
  }
  bool start_object(std::size_t) override {
    if (depth_ == 1) section_ = last_key_;
    if (++depth_ > kNestingMax || (depth_ > 2 && section_ == "weight_map")) return Unexpected("an object");
    has_weight_map_ = has_weight_map_ || (depth_ == 2 && section_ == "weight_map");
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    if (InWeightMap() || ++depth_ > kNestingMax) return Unexpected("an array");
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(string_t& name) override { return RememberKey(name); }

 private:
  bool InWeightMap() const { return depth_ == 2 && section_ == "weight_map"; }

  SafetensorsIndex index_;
  std::string section_;
  size_t depth_ = 0;
  bool has_weight_map_ = false;
};

template <typename Handler>
Status ParseEvents(std::string_view text, std::string_view file_name, Handler& handler) {
  bool complete = false;
  try {
    complete = Json::sax_parse(text, &handler);
  } catch (const nlohmann::json::exception& error) {
    return DataLoss("malformed JSON: {} ({})", error.what(), file_name);
  }
  if (!complete) return DataLoss("{} ({})", handler.problem(), file_name);
  return {};
}

// Bytes of the tensor, or nothing when the product overflows.
std::optional<uint64_t> TensorBytes(const std::vector<uint64_t>& shape, uint32_t element_bytes) {
  uint64_t bytes = element_bytes;
  for (const uint64_t extent : shape) {
    if (extent != 0 && bytes > std::numeric_limits<uint64_t>::max() / extent) return std::nullopt;
    bytes *= extent;
  }
  return bytes;
}

struct DataArea {
  std::span<const std::byte> file;
  uint64_t begin = 0;  // of the data, from the start of the file
  std::string_view file_name;
};

Result<StoredTensor> CheckEntry(HeaderEntry entry, const DataArea& area) {
  const ElementType* type = nullptr;
  for (const ElementType& known : kElementTypes) {
    if (entry.dtype == known.name) type = &known;
  }
  if (type == nullptr) {
    return DataLoss("tensor '{}' has the unknown type '{}' ({})", entry.name, entry.dtype.substr(0, 40),
                    area.file_name);
  }
  if (entry.data_offsets.size() != 2) {
    return DataLoss("tensor '{}' needs two data_offsets, has {} ({})", entry.name, entry.data_offsets.size(),
                    area.file_name);
  }
  const uint64_t begin = entry.data_offsets[0];
  const uint64_t end = entry.data_offsets[1];
  const uint64_t data_size = area.file.size() - area.begin;
  if (begin > end || end > data_size) {
    return DataLoss(
        "tensor '{}' lies at bytes {} to {} of {} bytes of data ({}, offset {}): the file is truncated or "
        "damaged",
        entry.name, begin, end, data_size, area.file_name,
        begin <= data_size ? area.begin + begin : area.begin);
  }
  const std::optional<uint64_t> bytes = TensorBytes(entry.shape, type->bytes);
  if (!bytes.has_value() || *bytes != end - begin) {
    return DataLoss("tensor '{}' of type {} and shape [{}] does not fill its {} bytes ({}, offset {})",
                    entry.name, entry.dtype, fmt::join(entry.shape, ","), end - begin, area.file_name,
                    area.begin + begin);
  }
  StoredTensor tensor;
  tensor.name = std::move(entry.name);
  tensor.type = type->type;
  tensor.type_name = std::move(entry.dtype);
  tensor.shape = std::move(entry.shape);
  tensor.offset = area.begin + begin;
  tensor.data = area.file.subspan(tensor.offset, end - begin);
  return tensor;
}

// Sorts by offset. Each tensor must begin where the one before it ended.
Status CheckTiling(std::vector<StoredTensor>& tensors, const DataArea& area) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.data.size() < b.data.size();
  });
  uint64_t at = area.begin;
  const std::string* previous = nullptr;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.offset < at) {
      return DataLoss("tensor '{}' overlaps tensor '{}' ({}, offset {})", tensor.name, *previous,
                      area.file_name, tensor.offset);
    }
    if (tensor.offset > at) {
      return DataLoss("{} bytes belong to no tensor before tensor '{}' ({}, offset {})", tensor.offset - at,
                      tensor.name, area.file_name, at);
    }
    at += tensor.data.size();
    previous = &tensor.name;
  }
  if (at != area.file.size()) {
    return DataLoss("{} bytes follow the last tensor ({}, offset {})", area.file.size() - at, area.file_name,
                    at);
  }
  return {};
}

}  // namespace

Result<std::vector<StoredTensor>> ParseSafetensors(std::span<const std::byte> file,
                                                   std::string_view file_name) {
  if (file.size() < kLengthBytes) {
    return DataLoss("{} bytes are too short for a safetensors file ({}, offset 0)", file.size(), file_name);
  }
  uint64_t header_bytes = 0;
  for (uint64_t i = 0; i < kLengthBytes; ++i) header_bytes |= std::to_integer<uint64_t>(file[i]) << (8 * i);
  if (header_bytes > kHeaderBytesMax || header_bytes > file.size() - kLengthBytes) {
    return DataLoss(
        "a header of {} bytes does not fit the file of {} bytes ({}, offset 0): the file is truncated or not "
        "a safetensors file",
        header_bytes, file.size(), file_name);
  }
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + kLengthBytes,
                                static_cast<size_t>(header_bytes));
  HeaderHandler handler;
  MIMO_RETURN_IF_ERROR(ParseEvents(header, file_name, handler));
  const DataArea area{file, kLengthBytes + header_bytes, file_name};
  std::vector<StoredTensor> tensors;
  tensors.reserve(handler.entries().size());
  for (HeaderEntry& entry : handler.entries()) {
    MIMO_ASSIGN_OR_RETURN(StoredTensor tensor, CheckEntry(std::move(entry), area));
    tensors.push_back(std::move(tensor));
  }
  MIMO_RETURN_IF_ERROR(CheckTiling(tensors, area));
  return tensors;
}

Result<SafetensorsIndex> ParseSafetensorsIndex(std::string_view json, std::string_view file_name) {
  IndexHandler handler;
  MIMO_RETURN_IF_ERROR(ParseEvents(json, file_name, handler));
  if (!handler.has_weight_map()) return DataLoss("'weight_map' is missing ({})", file_name);
  for (const auto& [tensor, file] : handler.index().file_by_tensor) {
    const bool plain_name = !file.empty() && file.size() < 256 &&
                            file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos &&
                            file.ends_with(".safetensors");
    if (!plain_name) {
      return InvalidArgument(
          "tensor '{}' is said to be in '{}' ({}): only .safetensors files of the same folder are read",
          tensor, file.substr(0, 200), file_name);
    }
  }
  return std::move(handler.index());
}

}  // namespace mimo
