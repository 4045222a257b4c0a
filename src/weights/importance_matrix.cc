#include "weights/importance_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/mapped_file.h"
#include "weights/gguf.h"
#include "weights/gguf_writer.h"
#include "weights/output_file.h"

namespace mimo {
namespace {

constexpr std::string_view kSumsSuffix = ".in_sum2";
constexpr std::string_view kCountsSuffix = ".counts";
constexpr uint32_t kLegacyEntriesMax = 1U << 20;
constexpr uint32_t kLegacyNameMax = 1024;
constexpr float kCountMax = 0x1p52F;

std::vector<float> Floats(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

Status CheckEntry(std::string_view name, const ImportanceEntry& entry, std::string_view file_name) {
  const bool valid =
      !entry.sums.empty() && !entry.counts.empty() && entry.sums.size() % entry.counts.size() == 0 &&
      std::all_of(entry.sums.begin(), entry.sums.end(), [](float v) { return std::isfinite(v) && v >= 0; });
  if (valid) return {};
  return DataLoss("the sums of '{}' are incomplete, negative or not finite ({}): collect them again", name,
                  file_name);
}

Result<ImportanceMatrix> ParseGgufForm(std::span<const std::byte> file, std::string_view file_name) {
  MIMO_ASSIGN_OR_RETURN(const GgufFile gguf, ParseGguf(file, file_name));
  ImportanceMatrix matrix;
  for (const StoredTensor& tensor : gguf.tensors) {
    const std::string_view full = tensor.name;
    const bool is_sums = full.ends_with(kSumsSuffix);
    if (!is_sums && !full.ends_with(kCountsSuffix)) continue;
    const std::string name(full.substr(0, full.size() - (is_sums ? kSumsSuffix : kCountsSuffix).size()));
    if (tensor.type != StoredType::kF32) {
      return DataLoss("tensor '{}' is stored as {}, not f32 ({})", full, tensor.type_name, file_name);
    }
    ImportanceEntry& entry = matrix.entries[name];
    std::vector<float> values = Floats(tensor.data);
    if (is_sums) {
      entry.sums = std::move(values);
      continue;
    }
    for (const float value : values) {
      if (!(value >= 0 && value <= kCountMax))
        return DataLoss("tensor '{}' has the count {} ({})", full, value, file_name);
      entry.counts.push_back(static_cast<uint64_t>(std::llround(value)));
    }
  }
  if (matrix.entries.empty()) {
    return DataLoss("there are no sums of inputs ({}): this is no importance matrix", file_name);
  }
  for (const auto& [name, entry] : matrix.entries) MIMO_RETURN_IF_ERROR(CheckEntry(name, entry, file_name));
  if (const GgufValue* const datasets = gguf.Find("imatrix.datasets")) {
    for (const std::string_view dataset : datasets->Strings()) matrix.datasets.emplace_back(dataset);
  }
  matrix.chunk_count = static_cast<uint32_t>(gguf.Integer("imatrix.chunk_count").value_or(0));
  matrix.chunk_size = static_cast<uint32_t>(gguf.Integer("imatrix.chunk_size").value_or(0));
  return matrix;
}

// Little-endian int32 entries; for each int32 length and name, int32 calls, int32 values and those as
// float32, already brought to equal counts for all experts. What may follow is not needed.
class LegacyReader {
 public:
  LegacyReader(std::span<const std::byte> file, std::string_view file_name)
      : file_(file), file_name_(file_name) {}

  Result<ImportanceMatrix> Read() {
    ImportanceMatrix matrix;
    MIMO_ASSIGN_OR_RETURN(const uint32_t num_entries, Number(kLegacyEntriesMax));
    for (uint32_t i = 0; i < num_entries; ++i) {
      MIMO_ASSIGN_OR_RETURN(const uint32_t name_size, Number(kLegacyNameMax));
      MIMO_ASSIGN_OR_RETURN(const auto name_bytes, Bytes(name_size));
      const std::string name(reinterpret_cast<const char*>(name_bytes.data()), name_bytes.size());
      MIMO_ASSIGN_OR_RETURN(const uint32_t calls, Number(UINT32_MAX));
      MIMO_ASSIGN_OR_RETURN(const uint32_t num_values, Number(UINT32_MAX));
      MIMO_ASSIGN_OR_RETURN(const auto value_bytes, Bytes(uint64_t{num_values} * sizeof(float)));
      ImportanceEntry& entry = matrix.entries[name];
      entry.sums = Floats(value_bytes);
      entry.counts = {calls};
      MIMO_RETURN_IF_ERROR(CheckEntry(name, entry, file_name_));
    }
    return matrix;
  }

 private:
  Result<std::span<const std::byte>> Bytes(uint64_t count) {
    if (count > file_.size() - offset_) {
      return DataLoss("neither a GGUF file nor an older importance matrix ({}, offset {})", file_name_,
                      offset_);
    }
    const auto bytes = file_.subspan(offset_, count);
    offset_ += count;
    return bytes;
  }

  Result<uint32_t> Number(uint32_t largest) {
    const uint64_t begin = offset_;
    MIMO_ASSIGN_OR_RETURN(const auto bytes, Bytes(sizeof(uint32_t)));
    uint32_t value;
    std::memcpy(&value, bytes.data(), sizeof(value));
    if (value >= 1 && value <= largest) return value;
    return DataLoss("neither a GGUF file nor an older importance matrix ({}, offset {})", file_name_, begin);
  }

  std::span<const std::byte> file_;
  std::string_view file_name_;
  uint64_t offset_ = 0;
};

}  // namespace

const ImportanceEntry* ImportanceMatrix::Find(std::string_view name) const {
  const auto it = entries.find(name);
  return it == entries.end() ? nullptr : &it->second;
}

Result<ImportanceMatrix> ParseImportanceMatrix(std::span<const std::byte> file, std::string_view file_name) {
  constexpr std::string_view kMagic = "GGUF";
  const bool is_gguf =
      file.size() >= kMagic.size() && std::memcmp(file.data(), kMagic.data(), kMagic.size()) == 0;
  return is_gguf ? ParseGgufForm(file, file_name) : LegacyReader(file, file_name).Read();
}

Result<ImportanceMatrix> ReadImportanceMatrix(const std::string& path) {
  MIMO_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return ParseImportanceMatrix(file.bytes(), path);
}

Status WriteImportanceMatrix(const ImportanceMatrix& matrix, const std::string& path) {
  GgufHeaderBuilder gguf;
  gguf.AddString("general.type", "imatrix");
  gguf.AddStringArray("imatrix.datasets", matrix.datasets);
  gguf.AddUint32("imatrix.chunk_count", matrix.chunk_count);
  gguf.AddUint32("imatrix.chunk_size", matrix.chunk_size);
  std::vector<TensorLayout> layouts;
  std::vector<std::vector<float>> counts;
  for (const auto& [name, entry] : matrix.entries) {
    const uint64_t num_matrices = entry.counts.size();
    MIMO_CHECK(num_matrices > 0 && entry.sums.size() % num_matrices == 0);
    layouts.push_back({name + std::string(kSumsSuffix),
                       StoredType::kF32,
                       {num_matrices, entry.sums.size() / num_matrices}});
    layouts.push_back({name + std::string(kCountsSuffix), StoredType::kF32, {num_matrices, 1}});
    counts.emplace_back(entry.counts.begin(), entry.counts.end());
  }
  const std::string header = gguf.Finish(layouts);
  const uint64_t end = layouts.empty() ? header.size() : layouts.back().offset + layouts.back().num_bytes();
  // llama.cpp reads the last tensor with its padding.
  constexpr uint64_t kAlignment = 32;
  const uint64_t size = (end + kAlignment - 1) / kAlignment * kAlignment;
  MIMO_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path, size));
  MIMO_RETURN_IF_ERROR(file.WriteAt(0, std::as_bytes(std::span(header))));
  size_t index = 0;
  for (const auto& [name, entry] : matrix.entries) {
    MIMO_RETURN_IF_ERROR(file.WriteAt(layouts[2 * index].offset, std::as_bytes(std::span(entry.sums))));
    MIMO_RETURN_IF_ERROR(
        file.WriteAt(layouts[2 * index + 1].offset, std::as_bytes(std::span(counts[index]))));
    ++index;
  }
  return file.Close();
}

Result<ColumnImportance> ColumnImportance::Create(std::string_view name, const ImportanceEntry& entry,
                                                  uint32_t num_matrices, uint32_t cols) {
  const bool fits = entry.sums.size() == uint64_t{num_matrices} * cols &&
                    (entry.counts.size() == 1 || entry.counts.size() == num_matrices);
  if (!fits) {
    return InvalidArgument(
        "the importance matrix has {} numbers and {} counts for '{}', which has {} columns and {} matrices: "
        "it is "
        "of another model",
        entry.sums.size(), entry.counts.size(), name, cols, num_matrices);
  }
  ColumnImportance importance;
  importance.entry_ = &entry;
  importance.cols_ = cols;
  importance.pooled_.resize(cols);
  for (size_t i = 0; i < entry.sums.size(); ++i) importance.pooled_[i % cols] += entry.sums[i];
  return importance;
}

std::span<const float> ColumnImportance::Of(uint32_t matrix) const {
  if (entry_ == nullptr) return {};
  const std::span<const float> sums = std::span(entry_->sums).subspan(size_t{matrix} * cols_, cols_);
  const bool is_zero = std::all_of(sums.begin(), sums.end(), [](float value) { return value == 0; });
  return is_zero ? std::span<const float>(pooled_) : sums;
}

}  // namespace mimo
