// Any bytes as a GGUF file; what parses is also translated to a configuration and a tokenizer.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "base/log.h"
#include "weights/config_fields.h"
#include "weights/gguf.h"
#include "weights/gguf_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mimo::SetLogLevel(mimo::LogLevel::kError);
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto gguf = mimo::ParseGguf(file, "fuzz.gguf");
  if (!gguf) return 0;
  for (const mimo::StoredTensor& tensor : gguf->tensors) {
    MIMO_CHECK(tensor.data.empty() || tensor.data.data() == file.data() + tensor.offset);
    MIMO_CHECK(tensor.offset + tensor.data.size() <= size);
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
