#pragma once
// Rearranges the weights of a model for the kernels that read panels (kernels/weight_panels.h), once, at
// load.

#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "weights/checkpoint.h"
#include "weights/model_weights.h"

namespace mimo {

// Owns the panels. Movable; views of them stay valid after a move.
class PackedWeights {
 public:
  PackedWeights() = default;
  ~PackedWeights();
  PackedWeights(PackedWeights&& other) noexcept;
  PackedWeights& operator=(PackedWeights&& other) noexcept;

  // Bytes that the panels of all matrices with a type that has panels need.
  static uint64_t BytesFor(const ModelWeights& weights);

  // Packs those matrices, makes the views in `weights` refer to the panels, and gives the memory of their
  // rows in `checkpoint` back, so that no weight is in memory twice. kResourceExhausted when there is no
  // memory.
  static Result<PackedWeights> Pack(const Checkpoint& checkpoint, ThreadPool& pool, ModelWeights* weights);

 private:
  std::byte* memory_ = nullptr;
  size_t size_ = 0;
};

}  // namespace mimo
