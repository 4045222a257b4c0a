#pragma once
// Moves the weights of a model to memory of its own, once, at load: as panels for the kernels that read them
// (kernels/weight_panels.h), and the rest as it is, in large pages. A mapped file has small ones, and looking
// them up costs decode in bf16 6 to 13 % on an EPYC 9005.

#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "weights/checkpoint.h"
#include "weights/model_weights.h"

namespace mimo {

enum class PackedPart {
  kPanels,  // what has panels
  kAll,
};

// Owns the moved weights. Movable; views of them stay valid after a move.
class PackedWeights {
 public:
  PackedWeights() = default;
  ~PackedWeights();
  PackedWeights(PackedWeights&& other) noexcept;
  PackedWeights& operator=(PackedWeights&& other) noexcept;

  // Bytes that `part` of the matrices needs.
  static uint64_t BytesFor(const ModelWeights& weights, PackedPart part);

  // Moves them, makes the views in `weights` refer to the copies, and gives the memory of their rows in
  // `checkpoint` back, so that no weight is in memory twice. kResourceExhausted when there is no memory.
  static Result<PackedWeights> Pack(const Checkpoint& checkpoint, PackedPart part, ThreadPool& pool,
                                    ModelWeights* weights);

 private:
  std::byte* memory_ = nullptr;
  size_t size_ = 0;
};

}  // namespace mimo
