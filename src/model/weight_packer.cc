#include "model/weight_packer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/progress_bar.h"
#include "kernels/weight_panels.h"

namespace mimo {
namespace {

// Whole cache lines.
size_t PackedBytes(const MatrixView& matrix) {
  const size_t bytes = HasPanels(matrix.type) ? NumPanels(matrix.rows) * PanelBytes(matrix.type, matrix.cols)
                                              : matrix.rows * matrix.row_bytes;
  return (bytes + 63) / 64 * 64;
}

// Collects the matrices that are multiplied, of one part. The embedding is only looked up.
class MatrixList {
 public:
  MatrixList(ModelWeights& weights, PackedPart part) : part_(part) {
    for (LayerWeights& layer : weights.layers) AddLayer(layer);
    for (MtpWeights& mtp : weights.mtp_layers) {
      Add(mtp.eh_proj);
      AddLayer(mtp.layer);
    }
    Add(weights.lm_head);
  }
  const std::vector<MatrixView*>& matrices() const { return matrices_; }

 private:
  void Add(MatrixView& matrix) {
    if (matrix.rows == 0) return;
    if (part_ == PackedPart::kAll || HasPanels(matrix.type)) matrices_.push_back(&matrix);
  }
  void AddMlp(MlpWeights& mlp) {
    Add(mlp.gate_proj);
    Add(mlp.up_proj);
    Add(mlp.down_proj);
  }
  void AddLayer(LayerWeights& layer) {
    for (QkvProjection::Part& part : layer.attention.qkv.parts) Add(part.matrix);
    Add(layer.attention.o_proj);
    AddMlp(layer.mlp);
    Add(layer.moe.router);
    for (MlpWeights& expert : layer.moe.experts) AddMlp(expert);
  }

  const PackedPart part_;
  std::vector<MatrixView*> matrices_;
};

// Writes rows [first_row, first_row + kPanelRows) to where they belong in `packed`.
void PackRows(const MatrixView& rows, uint32_t first_row, const MatrixView& packed, std::byte* memory) {
  if (packed.layout == WeightLayout::kPanels) {
    PackPanel(rows, first_row, memory + first_row / kPanelRows * packed.row_bytes);
  } else {
    const size_t begin = first_row * rows.row_bytes;
    const uint32_t count = std::min(kPanelRows, rows.rows - first_row);
    std::memcpy(memory + begin, rows.data + begin, count * rows.row_bytes);
  }
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

uint64_t PackedWeights::BytesFor(const ModelWeights& weights, PackedPart part) {
  const MatrixList list(const_cast<ModelWeights&>(weights), part);  // the views are only read
  uint64_t bytes = 0;
  for (const MatrixView* const matrix : list.matrices()) bytes += PackedBytes(*matrix);
  return bytes;
}

Result<PackedWeights> PackedWeights::Pack(const Checkpoint& checkpoint, PackedPart part, ThreadPool& pool,
                                          ModelWeights* weights) {
  PackedWeights result;
  const size_t size = BytesFor(*weights, part);
  if (size == 0) return result;
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ResourceExhausted("no memory for {} bytes of weights", size);
  result.memory_ = static_cast<std::byte*>(memory);
  result.size_ = size;
  static_cast<void>(madvise(memory, size, MADV_HUGEPAGE));
  std::byte* next = result.memory_;
  ProgressBar progress("arranging", size);
  const MatrixList list(*weights, part);
  for (MatrixView* const matrix : list.matrices()) {
    const MatrixView rows = *matrix;
    if (HasPanels(rows.type)) {
      *matrix = PanelView(rows, next);
    } else {
      matrix->data = next;
    }
    pool.ParallelFor(NumPanels(rows.rows),
                     [&](uint32_t index, uint32_t) { PackRows(rows, index * kPanelRows, *matrix, next); });
    next += PackedBytes(rows);
    progress.Advance(PackedBytes(rows));
    checkpoint.ReleaseMemory({rows.data, rows.rows * rows.row_bytes});
  }
  return result;
}

}  // namespace mimo
