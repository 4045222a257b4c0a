#include "weights/requantize.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "base/progress_bar.h"
#include "base/thread_pool.h"
#include "weights/gguf_metadata.h"
#include "weights/model_weights.h"
#include "weights/output_file.h"
#include "weights/quantize_row.h"
#include "weights/requantize_plan.h"
#include "weights/safetensors_writer.h"
#include "weights/tensor_table.h"

namespace mimo {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{1} << 20;  // of output, at least one row

// Fills a file whose header stands, on all threads, some rows at a time.
class RowWriter {
 public:
  RowWriter(const std::vector<OutputTensor>& tensors, const OutputFile& file,
            const RequantizeOptions& options)
      : tensors_(tensors), file_(file), options_(options), pool_(options.num_threads) {
    first_piece_.push_back(0);
    uint64_t bytes = 0;
    for (const OutputTensor& tensor : tensors) {
      const uint64_t rows = RowsPerPiece(tensor);
      first_piece_.push_back(first_piece_.back() +
                             static_cast<uint32_t>((tensor.num_rows() + rows - 1) / rows));
      bytes += tensor.layout.num_bytes();
    }
    progress_.emplace("writing", bytes);
    buffers_.resize(pool_.num_threads());
  }

  Status Write() {
    pool_.ParallelFor(first_piece_.back(), [this](uint32_t piece, uint32_t thread) {
      if (HasEnded()) return;
      const auto next = std::upper_bound(first_piece_.begin(), first_piece_.end(), piece);
      const auto index = static_cast<size_t>(next - first_piece_.begin() - 1);
      if (const Status status = WritePiece(tensors_[index], piece - first_piece_[index], buffers_[thread]);
          !status) {
        Fail(status.error());
      }
    });
    if (error_) return tl::unexpected<Error>(*error_);
    return {};
  }

 private:
  struct Buffers {
    std::vector<float> row;
    std::vector<std::byte> bytes;
  };

  static uint64_t RowsPerPiece(const OutputTensor& tensor) {
    return std::max<uint64_t>(1, kPieceBytes / tensor.row_bytes());
  }

  Status WritePiece(const OutputTensor& tensor, uint64_t piece, Buffers& buffers) {
    const uint64_t begin = piece * RowsPerPiece(tensor);
    const uint64_t end = std::min(tensor.num_rows(), begin + RowsPerPiece(tensor));
    const size_t row_bytes = tensor.row_bytes();
    buffers.bytes.resize((end - begin) * row_bytes);
    buffers.row.resize(tensor.cols());
    const auto after =
        std::upper_bound(tensor.ranges.begin(), tensor.ranges.end(), begin,
                         [](uint64_t row, const RowRange& range) { return row < range.first_row; });
    auto range = after - 1;
    for (uint64_t row = begin; row < end; ++row) {
      if (range + 1 != tensor.ranges.end() && row >= (range + 1)->first_row) ++range;
      const auto source_row = static_cast<uint32_t>(row - range->first_row + range->begin);
      std::byte* const to = buffers.bytes.data() + (row - begin) * row_bytes;
      if (OutputTensor::CanCopy(*range, tensor.layout.type)) {
        std::memcpy(to, range->matrix.data + source_row * range->matrix.row_bytes, row_bytes);
        continue;
      }
      DequantizeRow(range->matrix, source_row, buffers.row.data());
      if (!QuantizeRow(tensor.layout.type, buffers.row, tensor.ImportanceOfRow(row), to)) {
        return InvalidArgument(
            "tensor '{}' has a number in row {} that is not finite or too large for its type: give it "
            "another one with --set-type",
            tensor.layout.name, row);
      }
    }
    MIMO_RETURN_IF_ERROR(file_.WriteAt(tensor.layout.offset + begin * row_bytes, buffers.bytes));
    progress_->Advance(buffers.bytes.size());
    return {};
  }

  bool HasEnded() {
    if (options_.cancelled != nullptr && options_.cancelled->load(std::memory_order_relaxed)) {
      Fail({ErrorCode::kCancelled, "interrupted: nothing was written"});
    }
    const std::lock_guard lock(mutex_);
    return error_.has_value();
  }

  void Fail(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
  }

  const std::vector<OutputTensor>& tensors_;
  const OutputFile& file_;
  const RequantizeOptions& options_;
  ThreadPool pool_;
  std::optional<ProgressBar> progress_;
  std::vector<uint32_t> first_piece_;  // [tensors + 1] the number of pieces before each
  std::vector<Buffers> buffers_;       // one per thread
  std::mutex mutex_;
  std::optional<Error> error_;  // the first one
};

// Whether the file, read back, means the model that it was made from.
Status CheckConfig(const ModelConfig& read, const ModelConfig& expected) {
  bool equal = read.hidden_size == expected.hidden_size && read.vocab_size == expected.vocab_size &&
               read.num_hidden_layers == expected.num_hidden_layers &&
               read.num_nextn_predict_layers == expected.num_nextn_predict_layers &&
               read.intermediate_size == expected.intermediate_size &&
               read.moe_intermediate_size == expected.moe_intermediate_size &&
               read.n_routed_experts == expected.n_routed_experts &&
               read.num_experts_per_tok == expected.num_experts_per_tok &&
               read.norm_topk_prob == expected.norm_topk_prob &&
               read.routed_scaling_factor == expected.routed_scaling_factor &&
               read.layernorm_epsilon == expected.layernorm_epsilon &&
               read.attention_value_scale == expected.attention_value_scale &&
               read.attention_bias == expected.attention_bias && read.fused_qkv == expected.fused_qkv &&
               read.is_sliding == expected.is_sliding && read.is_sparse == expected.is_sparse;
  for (uint32_t layer = 0; equal && layer < expected.num_hidden_layers; ++layer) {
    equal = read.Attention(layer) == expected.Attention(layer);
  }
  if (equal && expected.num_nextn_predict_layers > 0) equal = read.MtpAttention() == expected.MtpAttention();
  if (equal) return {};
  return Unimplemented(
      "the GGUF format of this architecture cannot express the model's configuration: both kinds of "
      "attention "
      "must have the same heads and sizes");
}

Status WriteFile(const std::string& path, const std::string& header, const std::vector<OutputTensor>& tensors,
                 const ModelConfig& config, const RequantizeOptions& options) {
  const TensorLayout& last = tensors.back().layout;
  MIMO_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path, last.offset + last.num_bytes()));
  MIMO_RETURN_IF_ERROR(file.WriteAt(0, std::as_bytes(std::span(header))));
  CheckpointOptions metadata_only;
  metadata_only.populate = false;
  MIMO_ASSIGN_OR_RETURN(const Checkpoint written, Checkpoint::Open(path, metadata_only));
  MIMO_RETURN_IF_ERROR(CheckConfig(written.config(), config));
  MIMO_RETURN_IF_ERROR(RowWriter(tensors, file, options).Write());
  return file.Close();
}

// The type of most weights, which general.file_type names.
StoredType CommonestType(const std::vector<OutputTensor>& tensors) {
  std::map<StoredType, uint64_t> elements;
  for (const OutputTensor& tensor : tensors) elements[tensor.layout.type] += tensor.num_elements();
  return std::max_element(elements.begin(), elements.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

// The keys that llama.cpp's own quantiser leaves.
void AddImportance(const RequantizeOptions& options, GgufHeaderBuilder* gguf) {
  const ImportanceMatrix& importance = *options.importance;
  gguf->AddString("quantize.imatrix.file", options.importance_name);
  if (!importance.datasets.empty()) gguf->AddString("quantize.imatrix.dataset", importance.datasets.front());
  gguf->AddUint32("quantize.imatrix.entries_count", static_cast<uint32_t>(importance.entries.size()));
  gguf->AddUint32("quantize.imatrix.chunks_count", importance.chunk_count);
}

}  // namespace

Result<RequantizeSummary> Requantize(const Checkpoint& checkpoint, const std::string& out,
                                     const RequantizeOptions& options) {
  if (checkpoint.config().family != ModelFamily::kMimoV2) {
    return Unimplemented("a model of architecture '{}' has no GGUF form ({}): use it as it is",
                         checkpoint.config().architecture, checkpoint.path());
  }
  const ModelConfig config = GgufConfigOf(checkpoint.config());
  if (options.tokenizer.tokens.size() > config.vocab_size) {
    return InvalidArgument("the tokenizer has {} tokens, the model {} ({})", options.tokenizer.tokens.size(),
                           config.vocab_size, checkpoint.path());
  }
  MIMO_ASSIGN_OR_RETURN(const ModelWeights weights, BindModelWeights(checkpoint));
  MIMO_ASSIGN_OR_RETURN(RequantizePlan plan, PlanRequantize(config, weights, options));
  std::vector<OutputTensor>& tensors = plan.tensors;
  GgufHeaderBuilder gguf;
  AddGgufGeneral(options.name, CommonestType(tensors), &gguf);
  AddGgufConfig(config, &gguf);
  AddGgufTokenizer(options.tokenizer, config, &gguf);
  if (options.importance != nullptr) AddImportance(options, &gguf);
  std::vector<TensorLayout> layouts;
  layouts.reserve(tensors.size());
  for (const OutputTensor& tensor : tensors) layouts.push_back(tensor.layout);
  const std::string header = gguf.Finish(layouts);
  RequantizeSummary summary;
  summary.choices = std::move(plan.choices);
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].layout.offset = layouts[i].offset;
    summary.bytes += layouts[i].num_bytes();
    summary.parameters += tensors[i].num_elements();
  }
  const std::string partial = out + ".partial";
  std::error_code error;
  if (const Status status = WriteFile(partial, header, tensors, config, options); !status) {
    std::filesystem::remove(partial, error);
    return tl::unexpected<Error>(status.error());
  }
  std::filesystem::rename(partial, out, error);
  if (error) return InvalidArgument("cannot rename {}: {} ({})", partial, error.message(), out);
  return summary;
}

}  // namespace mimo
