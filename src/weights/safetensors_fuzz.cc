// Any bytes as a safetensors file, and as its index.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/check.h"
#include "weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto tensors = mimo::ParseSafetensors(file, "fuzz.safetensors");
  if (tensors) {
    uint64_t bytes = 0;
    for (const mimo::StoredTensor& tensor : *tensors) {
      bytes += tensor.data.size();
      MIMO_CHECK(tensor.data.empty() || tensor.data.data() == file.data() + tensor.offset);
    }
    MIMO_CHECK(bytes < size);
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto index = mimo::ParseSafetensorsIndex(text, "fuzz.index.json");
  if (index) {
    for (const auto& [tensor, name] : index->file_by_tensor) {
      MIMO_CHECK(name.find('/') == std::string::npos);
    }
  }
  return 0;
}
