#pragma once
// The importance matrix of a model: for each weight matrix and each of its columns the sum of the squared
// inputs that met the column while a text ran through the model. The expected error of a product is then the
// sum of the squared errors of the weights, each times that of its column.
//
// Files are llama.cpp's: GGUF with two float32 tensors for each matrix, NAME.in_sum2 [matrices, columns] and
// NAME.counts [matrices, 1], one row for each expert of stacked ones; or the older .dat, which is only read.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mimo {

struct ImportanceEntry {
  std::vector<float> sums;       // [matrices, columns], finite, not negative
  std::vector<uint64_t> counts;  // [matrices] tokens that each sum is of; the older format has one for all
};

struct ImportanceMatrix {
  std::map<std::string, ImportanceEntry, std::less<>> entries;  // by the GGUF name of the weights
  std::vector<std::string> datasets;                            // the texts
  uint32_t chunk_count = 0;
  uint32_t chunk_size = 0;  // tokens

  // Null when there is none.
  const ImportanceEntry* Find(std::string_view name) const;
};

// `file_name` is for messages. kDataLoss for what is not such a file.
Result<ImportanceMatrix> ParseImportanceMatrix(std::span<const std::byte> file, std::string_view file_name);
Result<ImportanceMatrix> ReadImportanceMatrix(const std::string& path);

// Writes the GGUF form. Entries have as many counts as matrices.
Status WriteImportanceMatrix(const ImportanceMatrix& matrix, const std::string& path);

// The importance of columns for the matrices that make up one tensor. Non-owning, but for the pooled sums.
class ColumnImportance {
 public:
  // No preference.
  ColumnImportance() = default;
  // kInvalidArgument when the entry is not for `num_matrices` matrices of `cols` columns.
  static Result<ColumnImportance> Create(std::string_view name, const ImportanceEntry& entry,
                                         uint32_t num_matrices, uint32_t cols);

  bool empty() const { return entry_ == nullptr; }
  // [cols], empty without preference. An expert that no token reached gets the sums of all the others.
  std::span<const float> Of(uint32_t matrix) const;

 private:
  const ImportanceEntry* entry_ = nullptr;
  uint32_t cols_ = 0;
  std::vector<float> pooled_;  // [cols]
};

}  // namespace mimo
