#pragma once
// The head of a GGUF file, version 3, little-endian: metadata and tensor directory.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weights/gguf.h"
#include "weights/safetensors_writer.h"

namespace mimo {

// Collects metadata in the order of the calls, then lays out the tensors.
class GgufHeaderBuilder {
 public:
  void AddUint32(std::string_view key, uint32_t value);
  void AddFloat32(std::string_view key, float value);
  void AddBool(std::string_view key, bool value);
  void AddString(std::string_view key, std::string_view value);
  void AddUint32Array(std::string_view key, std::span<const uint32_t> values);
  void AddInt32Array(std::string_view key, std::span<const int32_t> values);
  void AddBoolArray(std::string_view key, const std::vector<bool>& values);
  void AddStringArray(std::string_view key, std::span<const std::string> values);

  // Sets the offsets, each a multiple of 32, in the given order, and returns the bytes that stand before the
  // first tensor. Requires: types that GgmlTypeId knows; nothing is added afterwards.
  std::string Finish(std::span<TensorLayout> tensors) const;

 private:
  void AddKey(std::string_view key, GgufType type);
  void AddArray(std::string_view key, GgufType element_type, uint64_t count);

  std::string metadata_;
  uint64_t num_keys_ = 0;
};

}  // namespace mimo
