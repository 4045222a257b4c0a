#pragma once

#include <cstddef>

namespace mimo {

// Half-open range of a text's bytes.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;

  bool operator==(const TextRange&) const = default;
};

}  // namespace mimo
