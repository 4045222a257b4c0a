#include "model/weight_packer.h"

#include <sys/mman.h>

#include <utility>
#include <vector>

#include "base/progress_bar.h"
#include "kernels/weight_panels.h"

namespace mimo {
namespace {

size_t PackedBytes(const MatrixView& matrix) {
  return NumPanels(matrix.rows) * PanelBytes(matrix.type, matrix.cols);
}

void AddIfPacked(MatrixView& matrix, std::vector<MatrixView*>* packed) {
  if (matrix.rows > 0 && HasPanels(matrix.type)) packed->push_back(&matrix);
}

void AddMlp(MlpWeights& mlp, std::vector<MatrixView*>* packed) {
  AddIfPacked(mlp.gate_proj, packed);
  AddIfPacked(mlp.up_proj, packed);
  AddIfPacked(mlp.down_proj, packed);
}

void AddLayer(LayerWeights& layer, std::vector<MatrixView*>* packed) {
  for (QkvProjection::Part& part : layer.attention.qkv.parts) AddIfPacked(part.matrix, packed);
  AddIfPacked(layer.attention.o_proj, packed);
  AddMlp(layer.mlp, packed);
  AddIfPacked(layer.moe.router, packed);
  for (MlpWeights& expert : layer.moe.experts) AddMlp(expert, packed);
}

// Every matrix that is multiplied and has panels. The embedding is only looked up.
std::vector<MatrixView*> PackedMatrices(ModelWeights& weights) {
  std::vector<MatrixView*> packed;
  for (LayerWeights& layer : weights.layers) AddLayer(layer, &packed);
  for (MtpWeights& mtp : weights.mtp_layers) {
    AddIfPacked(mtp.eh_proj, &packed);
    AddLayer(mtp.layer, &packed);
  }
  AddIfPacked(weights.lm_head, &packed);
  return packed;
}

}  // namespace

PackedWeights::~PackedWeights() {
  if (memory_ != nullptr) munmap(memory_, size_);
}

PackedWeights::PackedWeights(PackedWeights&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), size_(std::exchange(other.size_, 0)) {}

PackedWeights& PackedWeights::operator=(PackedWeights&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  return *this;
}

uint64_t PackedWeights::BytesFor(const ModelWeights& weights) {
  uint64_t bytes = 0;
  // The views are only read.
  for (const MatrixView* const matrix : PackedMatrices(const_cast<ModelWeights&>(weights))) {
    bytes += PackedBytes(*matrix);
  }
  return bytes;
}

Result<PackedWeights> PackedWeights::Pack(const Checkpoint& checkpoint, ThreadPool& pool,
                                          ModelWeights* weights) {
  PackedWeights result;
  const size_t size = BytesFor(*weights);
  if (size == 0) return result;
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ResourceExhausted("no memory for {} bytes of weights", size);
  result.memory_ = static_cast<std::byte*>(memory);
  result.size_ = size;
  static_cast<void>(madvise(memory, size, MADV_HUGEPAGE));
  std::byte* next = result.memory_;
  ProgressBar progress("arranging", size);
  for (MatrixView* const matrix : PackedMatrices(*weights)) {
    const MatrixView rows = *matrix;
    const MatrixView panels = PanelView(rows, next);
    pool.ParallelFor(NumPanels(rows.rows), [&](uint32_t index, uint32_t) {
      PackPanel(rows, index * kPanelRows, next + index * panels.row_bytes);
    });
    next += PackedBytes(rows);
    progress.Advance(PackedBytes(rows));
    *matrix = panels;
    checkpoint.ReleaseMemory({rows.data, rows.rows * rows.row_bytes});
  }
  return result;
}

}  // namespace mimo
