#pragma once
// Small checkpoints for tests, in both formats, written from the tensor table.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "weights/config_fields.h"
#include "weights/tensor_table.h"

namespace mimo {

inline std::span<const std::byte> AsBytes(const std::string& file) { return std::as_bytes(std::span(file)); }

// A tensor as it goes into a file. `bytes` may disagree with the rest, to make a broken file.
struct TestTensor {
  std::string name;
  StoredType type = StoredType::kF32;
  std::vector<uint64_t> shape;
  std::string bytes;
};

// A folder that the destructor removes.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mimo_weights_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path() const { return path_; }
  std::string File(std::string_view name) const { return fmt::format("{}/{}", path_, name); }
  void Write(std::string_view name, std::string_view bytes) const {
    std::ofstream(File(name), std::ios::binary) << bytes;
  }

 private:
  std::string path_;
};

// Three layers: full and dense; sliding and sparse; full and sparse. The odd head sizes make the FP8 grids of
// q, k and v straddle their row chunks, as in the released files.
inline Json SmallConfigJson() {
  return Json{{"architectures", {"MiMoV2FlashForCausalLM"}},
              {"model_type", "mimo_v2_flash"},
              {"hidden_size", 64},
              {"num_hidden_layers", 3},
              {"vocab_size", 40},
              {"intermediate_size", 96},
              {"num_attention_heads", 4},
              {"num_key_value_heads", 2},
              {"swa_num_key_value_heads", 4},
              {"head_dim", 96},
              {"v_head_dim", 64},
              {"partial_rotary_factor", 0.334},
              {"rope_theta", 5000000},
              {"swa_rope_theta", 10000},
              {"sliding_window", 8},
              {"attention_value_scale", 0.707},
              {"layernorm_epsilon", 1e-5},
              {"hybrid_layer_pattern", {0, 1, 0}},
              {"moe_layer_freq", {0, 1, 1}},
              {"n_routed_experts", 4},
              {"num_experts_per_tok", 2},
              {"moe_intermediate_size", 32},
              {"num_nextn_predict_layers", 1},
              {"eos_token_id", 39}};
}

inline ModelConfig SmallConfig(const Json& json = SmallConfigJson()) {
  Result<ModelConfig> config = ParseModelConfig(DumpJson(json), {});
  EXPECT_TRUE(config.has_value());
  return config.value();
}

inline uint64_t TestElementBytes(StoredType type) {
  if (type == StoredType::kF32) return 4;
  return type == StoredType::kFp8E4M3 || type == StoredType::kU8 ? 1 : 2;
}

// Floats at 1, 2, 3, ... over the scale grid; E4M3 codes of 1.0 elsewhere. So a dequantised element shows
// which scale it met.
inline std::string TestBytes(StoredType type, uint64_t count) {
  std::string bytes(count * TestElementBytes(type), '\0');
  for (uint64_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>(i + 1);
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const auto half = static_cast<uint16_t>(bits >> 16);
    if (type == StoredType::kF32) std::memcpy(bytes.data() + 4 * i, &bits, 4);
    if (type == StoredType::kBf16) std::memcpy(bytes.data() + 2 * i, &half, 2);
    if (type == StoredType::kFp8E4M3) bytes[i] = 0x38;
    if (type == StoredType::kU8) bytes[i] = static_cast<char>(i % 251);
  }
  return bytes;
}

inline TestTensor MakeTestTensor(std::string name, StoredType type, std::vector<uint64_t> shape) {
  uint64_t count = 1;
  for (const uint64_t extent : shape) count *= extent;
  return {std::move(name), type, std::move(shape), TestBytes(type, count)};
}

enum class TestQuantization { kNone, kFp8, kMxFp4Experts };

// Every tensor of the table, BF16 where the releases have BF16.
inline std::vector<TestTensor> MakeTestTensors(const ModelConfig& config, CheckpointFormat format,
                                               TestQuantization quantization = TestQuantization::kNone) {
  std::vector<TestTensor> tensors;
  for (const TensorSpec& spec : TensorTable(config, format)) {
    StoredType type = StoredType::kBf16;
    if (spec.role == TensorRole::kRouter || spec.role == TensorRole::kRouterBias) type = StoredType::kF32;
    if (spec.quantized_forms != QuantizedForms::kNone && spec.role != TensorRole::kOProj &&
        quantization != TestQuantization::kNone) {
      type = StoredType::kFp8E4M3;
    }
    if (spec.quantized_forms == QuantizedForms::kFp8OrMxFp4 &&
        quantization == TestQuantization::kMxFp4Experts) {
      type = StoredType::kU8;
    }
    tensors.push_back(MakeTestTensor(spec.name, type, StoredShape(spec, type)));
    const std::string scale_name = ScaleName(spec, type);
    if (scale_name.empty()) continue;
    const StoredType scale_type = type == StoredType::kU8 ? StoredType::kU8 : StoredType::kF32;
    tensors.push_back(MakeTestTensor(scale_name, scale_type, ScaleShape(spec, type)));
  }
  return tensors;
}

inline TestTensor& FindTestTensor(std::vector<TestTensor>& tensors, std::string_view name) {
  const auto it =
      std::find_if(tensors.begin(), tensors.end(), [name](const TestTensor& t) { return t.name == name; });
  EXPECT_NE(it, tensors.end()) << name;
  return *it;
}

inline void RemoveTestTensor(std::vector<TestTensor>& tensors, std::string_view name) {
  std::erase_if(tensors, [name](const TestTensor& tensor) { return tensor.name == name; });
}

inline std::string LittleEndian(uint64_t value, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

inline std::string SafetensorsFile(const Json& header, std::string_view data) {
  const std::string text = DumpJson(header);
  return LittleEndian(text.size(), 8) + text + std::string(data);
}

inline std::string SafetensorsBytes(const std::vector<TestTensor>& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const TestTensor& tensor : tensors) {
    const char* dtype = "BF16";
    if (tensor.type == StoredType::kF32) dtype = "F32";
    if (tensor.type == StoredType::kFp8E4M3) dtype = "F8_E4M3";
    if (tensor.type == StoredType::kU8) dtype = "U8";
    if (tensor.type == StoredType::kI16) dtype = "I16";
    const size_t begin = data.size();
    data += tensor.bytes;
    header[tensor.name] = {{"dtype", dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  return SafetensorsFile(header, data);
}

inline void WriteTestFolder(const TempFolder& folder, const Json& config,
                            const std::vector<TestTensor>& tensors) {
  folder.Write("config.json", DumpJson(config));
  folder.Write("model.safetensors", SafetensorsBytes(tensors));
}

// Collects one GGUF file, version 3.
class GgufBuilder {
 public:
  GgufBuilder& String(std::string_view key, std::string_view value) {
    return Add(key, 8, LittleEndian(value.size(), 8) + std::string(value));
  }
  GgufBuilder& Uint32(std::string_view key, uint64_t value) { return Add(key, 4, LittleEndian(value, 4)); }
  GgufBuilder& Uint16(std::string_view key, uint64_t value) { return Add(key, 2, LittleEndian(value, 2)); }
  GgufBuilder& Float32(std::string_view key, float value) {
    return Add(key, 6, LittleEndian(std::bit_cast<uint32_t>(value), 4));
  }
  GgufBuilder& Uint32s(std::string_view key, const std::vector<uint32_t>& values) {
    std::string bytes = LittleEndian(4, 4) + LittleEndian(values.size(), 8);
    for (const uint32_t value : values) bytes += LittleEndian(value, 4);
    return Add(key, 9, bytes);
  }
  GgufBuilder& Strings(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes = LittleEndian(8, 4) + LittleEndian(values.size(), 8);
    for (const std::string& value : values) bytes += LittleEndian(value.size(), 8) + value;
    return Add(key, 9, bytes);
  }
  // `ggml_type`: the format's own number of the type.
  GgufBuilder& Tensor(const TestTensor& tensor, uint32_t ggml_type) {
    directory_ += LittleEndian(tensor.name.size(), 8) + tensor.name + LittleEndian(tensor.shape.size(), 4);
    for (size_t i = tensor.shape.size(); i > 0; --i) directory_ += LittleEndian(tensor.shape[i - 1], 8);
    directory_ += LittleEndian(ggml_type, 4) + LittleEndian(data_.size(), 8);
    data_ += tensor.bytes;
    data_.resize((data_.size() + 31) / 32 * 32);
    ++num_tensors_;
    return *this;
  }
  GgufBuilder& Tensors(const std::vector<TestTensor>& tensors) {
    for (const TestTensor& tensor : tensors) Tensor(tensor, tensor.type == StoredType::kF32 ? 0 : 30);
    return *this;
  }
  std::string Bytes() const {
    std::string file = "GGUF" + LittleEndian(3, 4) + LittleEndian(num_tensors_, 8) +
                       LittleEndian(num_keys_, 8) + metadata_ + directory_;
    file.resize((file.size() + 31) / 32 * 32);
    return file + data_;
  }

 private:
  GgufBuilder& Add(std::string_view key, uint32_t type, const std::string& value) {
    metadata_ += LittleEndian(key.size(), 8) + std::string(key) + LittleEndian(type, 4) + value;
    ++num_keys_;
    return *this;
  }

  std::string metadata_;
  std::string directory_;
  std::string data_;
  uint64_t num_keys_ = 0;
  uint64_t num_tensors_ = 0;
};

// The metadata that llama.cpp's converter writes for SmallConfigJson(), which may have been given other
// widths.
inline GgufBuilder SmallGgufMetadata(const ModelConfig& config = SmallConfig()) {
  GgufBuilder builder;
  builder.String("general.architecture", "mimo2")
      .Uint32("mimo2.block_count", 4)
      .Uint32("mimo2.nextn_predict_layers", 1)
      .Uint32("mimo2.embedding_length", config.hidden_size)
      .Uint32("mimo2.feed_forward_length", config.intermediate_size)
      .Uint32("mimo2.context_length", 4096)
      .Uint32("mimo2.attention.head_count", 4)
      .Uint32s("mimo2.attention.head_count_kv", {2, 4, 2, 4})
      .Uint32("mimo2.attention.key_length", 96)
      .Uint32("mimo2.attention.value_length", 64)
      .Uint32("mimo2.attention.sliding_window", 8)
      .Uint32s("mimo2.attention.sliding_window_pattern", {0, 1, 0, 1})
      .Float32("mimo2.attention.layer_norm_rms_epsilon", 1e-5F)
      .Float32("mimo2.attention.value_scale", 0.707F)
      .Uint32("mimo2.rope.dimension_count", 32)
      .Float32("mimo2.rope.freq_base", 5e6F)
      .Float32("mimo2.rope.freq_base_swa", 1e4F)
      .Uint32("mimo2.expert_count", 4)
      .Uint32("mimo2.expert_used_count", 2)
      .Uint32("mimo2.expert_feed_forward_length", config.moe_intermediate_size)
      .Uint32("mimo2.expert_gating_func", 2);
  return builder;
}

}  // namespace mimo
