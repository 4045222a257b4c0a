#pragma once
// Collects a model's importance matrix while a text runs through it.

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "kernels/matrix_view.h"
#include "model/matmul_observer.h"
#include "weights/checkpoint.h"
#include "weights/importance_matrix.h"

namespace mimo {

// Give it to the model as its observer. Not thread-safe.
class ImportanceCollector : public MatMulObserver {
 public:
  // `checkpoint`: the one of the model, which must outlive this. kUnimplemented when the model has no GGUF
  // form, whose names the entries bear.
  static Result<ImportanceCollector> Create(const Checkpoint& checkpoint);

  void Observe(const MatrixView& weights, std::span<const float* const> x_rows) override;

  // The matrices that tokens have met so far; texts and chunks are the caller's to fill in. kDataLoss when an
  // input was not finite.
  Result<ImportanceMatrix> Matrix() const;

 private:
  struct Sums {
    std::string name;
    uint32_t cols = 0;
    std::vector<double> sums;      // [matrices, cols]
    std::vector<uint64_t> counts;  // [matrices]
  };
  struct Place {
    uint32_t tensor = 0;  // of tensors_
    uint32_t matrix = 0;  // among stacked experts
  };

  ImportanceCollector() = default;

  std::vector<Sums> tensors_;
  std::unordered_map<const std::byte*, Place> places_;  // by MatrixView::data
};

}  // namespace mimo
