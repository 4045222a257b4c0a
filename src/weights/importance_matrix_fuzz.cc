// Any bytes as an importance matrix, in either format; what is accepted has sane numbers.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "weights/importance_matrix.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto matrix = mimo::ParseImportanceMatrix(file, "fuzz");
  if (!matrix) return 0;
  for (const auto& [name, entry] : matrix->entries) {
    MIMO_CHECK(!entry.counts.empty() && entry.sums.size() % entry.counts.size() == 0);
    for (const float sum : entry.sums) MIMO_CHECK(std::isfinite(sum) && sum >= 0);
  }
  return 0;
}
