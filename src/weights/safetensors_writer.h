#pragma once
// Where tensors will stand in a file, and the header of a .safetensors file that says so.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weights/checkpoint.h"

namespace mimo {

struct TensorLayout {
  std::string name;
  StoredType type = StoredType::kF32;
  std::vector<uint64_t> shape;  // outermost first
  uint64_t offset = 0;          // from the start of the file; set by the writers

  // Requires: a type of plain elements, or a block type with rows of whole blocks.
  uint64_t num_bytes() const;
};

// Bytes of one element. Requires: a type of plain elements.
uint64_t StoredTypeSize(StoredType type);

// Sets the offsets, packing the tensors in the given order, and returns the bytes that stand before the
// first of them.
std::string SafetensorsHeader(std::span<TensorLayout> tensors);

struct SafetensorsIndexEntry {
  std::string tensor;
  std::string file;
};
struct SafetensorsIndexMetadata {
  uint64_t total_size = 0;
  uint32_t tp_size = 0;          // 0 = left out
  std::string_view save_format;  // empty = left out
};
// The text of model.safetensors.index.json, tensors sorted by name.
std::string SafetensorsIndexJson(std::vector<SafetensorsIndexEntry> entries,
                                 const SafetensorsIndexMetadata& metadata);

}  // namespace mimo
