#include "train/fused_loops.h"

#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace mimo {

std::span<const FusedLoops* const> SupportedFusedLoops() {
  static const std::vector<const FusedLoops*> kSupported = [] {
    std::vector<const FusedLoops*> found;
#if defined(__x86_64__)
    for (const Kernels* kernels : SupportedKernels()) {
      if (kernels->name == std::string_view("avx2")) found.push_back(&Avx2FusedLoops());
      if (kernels->name == std::string_view("avx512")) found.push_back(&Avx512FusedLoops());
    }
#endif
    return found;
  }();
  return kSupported;
}

int64_t AttentionScratchFloats(const AttentionShape& shape) {
  return ScratchStride(shape) * (shape.head_dim + shape.v_head_dim + 2 * kAttentionQueryBlock);
}

const FusedLoops* FindFusedLoops() {
  return SupportedFusedLoops().empty() ? nullptr : SupportedFusedLoops().back();
}

}  // namespace mimo
