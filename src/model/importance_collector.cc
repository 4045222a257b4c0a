#include "model/importance_collector.h"

#include <cmath>
#include <utility>

#include "weights/gguf_rows.h"
#include "weights/model_weights.h"
#include "weights/tensor_table.h"

namespace mimo {

Result<ImportanceCollector> ImportanceCollector::Create(const Checkpoint& checkpoint) {
  if (checkpoint.config().family != ModelFamily::kMimoV2) {
    return Unimplemented(
        "a model of architecture '{}' has no GGUF form ({}), so its matrices have no names there",
        checkpoint.config().architecture, checkpoint.path());
  }
  const ModelConfig config = GgufConfigOf(checkpoint.config());
  MIMO_ASSIGN_OR_RETURN(const ModelWeights weights, BindModelWeights(checkpoint));
  ImportanceCollector collector;
  for (const TensorSpec& spec : TensorTable(config, CheckpointFormat::kGguf)) {
    if (spec.shape.size() == 1 || spec.role == TensorRole::kEmbedTokens) continue;
    const auto tensor = static_cast<uint32_t>(collector.tensors_.size());
    const auto num_matrices = static_cast<uint32_t>(spec.shape.size() == 3 ? spec.shape[0] : 1);
    Sums sums;
    sums.name = spec.name;
    sums.cols = static_cast<uint32_t>(spec.shape.back());
    sums.sums.resize(size_t{num_matrices} * sums.cols);
    sums.counts.resize(num_matrices);
    collector.tensors_.push_back(std::move(sums));
    const std::vector<RowRange> ranges = FindGgufRows(config, weights, spec);
    for (uint32_t i = 0; i < ranges.size(); ++i) {
      // Ranges of a single matrix, the heads of a fused one, share their data.
      collector.places_[ranges[i].matrix.data] = {tensor, num_matrices > 1 ? i : 0};
    }
  }
  return collector;
}

void ImportanceCollector::Observe(const MatrixView& weights, std::span<const float* const> x_rows) {
  const auto place = places_.find(weights.data);
  if (place == places_.end()) return;
  Sums& tensor = tensors_[place->second.tensor];
  double* const sums = tensor.sums.data() + size_t{place->second.matrix} * tensor.cols;
  for (const float* const x : x_rows) {
    for (uint32_t i = 0; i < tensor.cols; ++i)
      sums[i] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  tensor.counts[place->second.matrix] += x_rows.size();
}

Result<ImportanceMatrix> ImportanceCollector::Matrix() const {
  ImportanceMatrix matrix;
  for (const Sums& tensor : tensors_) {
    uint64_t count = 0;
    for (const uint64_t tokens : tensor.counts) count += tokens;
    if (count == 0) continue;
    ImportanceEntry entry;
    entry.counts = tensor.counts;
    entry.sums.reserve(tensor.sums.size());
    for (const double sum : tensor.sums) {
      entry.sums.push_back(static_cast<float>(sum));
      if (std::isfinite(entry.sums.back())) continue;
      return DataLoss("an input of '{}' is not finite: the weights or the configuration are wrong",
                      tensor.name);
    }
    matrix.entries.emplace(tensor.name, std::move(entry));
  }
  return matrix;
}

}  // namespace mimo
