#pragma once
// NumPy's .npy format, version 1.0: one float32 array, C order, little-endian.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "weights/output_file.h"

namespace mimo {

// Elements that are never written are zero. Memory use is that of the caller's rows.
class NpyWriter {
 public:
  static Result<NpyWriter> Create(const std::string& path, const std::vector<uint64_t>& shape);

  // Writes elements [first_element, first_element + values.size()) of the flat array.
  Status Write(uint64_t first_element, std::span<const float> values) const;
  Status Close();

 private:
  OutputFile file_;
  uint64_t header_bytes_ = 0;
};

}  // namespace mimo
