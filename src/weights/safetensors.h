#pragma once
// Headers of .safetensors files and of model.safetensors.index.json. Parsers of outside bytes: they trust no
// length, and answer kDataLoss with the file, the tensor and the offset.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "weights/checkpoint.h"

namespace mimo {

// Reads the header of a whole file and checks that its tensors tile the data without overlap or hole.
// `data` of each tensor lies inside `file`; file_index is 0. `file_name` is for messages.
Result<std::vector<StoredTensor>> ParseSafetensors(std::span<const std::byte> file,
                                                   std::string_view file_name);

struct SafetensorsIndex {
  std::vector<std::pair<std::string, std::string>> file_by_tensor;  // weight_map, in its order
  std::optional<uint64_t> tp_size;                                  // row chunks of fused qkv matrices
};

// Reads model.safetensors.index.json. File names that leave the folder are kInvalidArgument.
Result<SafetensorsIndex> ParseSafetensorsIndex(std::string_view json, std::string_view file_name);

}  // namespace mimo
