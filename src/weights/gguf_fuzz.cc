// Any bytes as a GGUF file; what parses is also translated to a configuration and a tokenizer, and of each
// tensor a row is decoded.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "kernels/matrix_view.h"
#include "weights/config_fields.h"
#include "weights/gguf.h"
#include "weights/gguf_config.h"
#include "weights/stored_type.h"

namespace {

// Reads the last row, which ends with the tensor.
void DecodeLastRow(const mimo::StoredTensor& tensor) {
  constexpr uint64_t kColumnsMax = 4096;
  const std::optional<mimo::WeightType> type = mimo::WeightTypeOf(tensor.type);
  if (!type.has_value() || tensor.data.empty() || tensor.shape.back() > kColumnsMax) return;
  mimo::MatrixView view;
  view.type = *type;
  view.rows = 1;
  view.cols = static_cast<uint32_t>(tensor.shape.back());
  view.row_bytes = mimo::RowBytes(*type, view.cols);
  MIMO_CHECK(tensor.data.size() % view.row_bytes == 0);
  view.data = tensor.data.data() + (tensor.data.size() - view.row_bytes);
  std::vector<float> row(view.cols);
  mimo::DequantizeRow(view, 0, row.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mimo::SetLogLevel(mimo::LogLevel::kError);
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto gguf = mimo::ParseGguf(file, "fuzz.gguf");
  if (!gguf) return 0;
  for (const mimo::StoredTensor& tensor : gguf->tensors) {
    MIMO_CHECK(tensor.data.empty() || tensor.data.data() == file.data() + tensor.offset);
    MIMO_CHECK(tensor.offset + tensor.data.size() <= size);
    DecodeLastRow(tensor);
  }
  const mimo::TensorFinder find = [&gguf](std::string_view name) -> const mimo::StoredTensor* {
    for (const mimo::StoredTensor& tensor : gguf->tensors) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  };
  static_cast<void>(mimo::TokenizerFromGguf(*gguf, "fuzz.gguf"));
  auto json = mimo::ConfigFromGguf(*gguf, find, "fuzz.gguf");
  if (!json) return 0;
  const auto normalized = mimo::NormalizeConfig(std::move(json).value(), {}, "fuzz.gguf");
  if (normalized) static_cast<void>(mimo::InterpretConfig(*normalized, "fuzz.gguf"));
  return 0;
}
