#pragma once
// Watches what meets the weights of a model, for statistics of its inputs. Not used while generating.

#include <span>

#include "kernels/matrix_view.h"

namespace mimo {

class MatMulObserver {
 public:
  virtual ~MatMulObserver() = default;

  // Called before each product of a step, on the thread that called the model. x_rows: float32 [weights.cols]
  // each, one for each token that meets the matrix: of an expert those routed to it, of the head those whose
  // logits are wanted. `weights.data` tells which matrix of the checkpoint it is.
  virtual void Observe(const MatrixView& weights, std::span<const float* const> x_rows) = 0;
};

}  // namespace mimo
