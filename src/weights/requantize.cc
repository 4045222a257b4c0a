#include "weights/requantize.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>
#include <regex>
#include <span>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/progress_bar.h"
#include "base/thread_pool.h"
#include "weights/gguf_metadata.h"
#include "weights/model_weights.h"
#include "weights/output_file.h"
#include "weights/quantize_row.h"
#include "weights/safetensors_writer.h"
#include "weights/stored_type.h"
#include "weights/tensor_table.h"

namespace mimo {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{1} << 20;  // of output, at least one row

// Consecutive rows of a source matrix that become the rows from `first_row` on of an output tensor, whose
// dimensions before the last count as one.
struct RowRange {
  MatrixView matrix;
  uint32_t begin = 0;
  uint32_t end = 0;
  uint64_t first_row = 0;
};

struct OutputTensor {
  TensorLayout layout;
  std::vector<RowRange> ranges;

  uint64_t num_rows() const { return ranges.back().first_row + ranges.back().end - ranges.back().begin; }
  size_t cols() const { return static_cast<size_t>(layout.shape.back()); }
  size_t row_bytes() const { return QuantizedRowBytes(layout.type, cols()); }
};

// Finds what a tensor of the GGUF table is made of.
class RowFinder {
 public:
  RowFinder(const ModelConfig& config, const ModelWeights& weights) : config_(config), weights_(weights) {}

  std::vector<RowRange> Find(const TensorSpec& spec) {
    ranges_.clear();
    if (spec.mtp_index != kNoIndex) {
      AddMtp(spec, weights_.mtp_layers[static_cast<size_t>(spec.mtp_index)]);
    } else if (spec.role == TensorRole::kEmbedTokens) {
      AddMatrix(weights_.embed_tokens);
    } else if (spec.role == TensorRole::kLmHead) {
      AddMatrix(weights_.lm_head);
    } else if (spec.role == TensorRole::kNorm) {
      AddVector(weights_.norm);
    } else {
      const auto layer = static_cast<size_t>(spec.layer_index);
      AddLayer(spec, weights_.layers[layer], config_.Attention(static_cast<uint32_t>(layer)));
    }
    return std::move(ranges_);
  }

 private:
  void AddRows(const MatrixView& matrix, uint32_t begin, uint32_t count) {
    const uint64_t first_row =
        ranges_.empty() ? 0 : ranges_.back().first_row + ranges_.back().end - ranges_.back().begin;
    ranges_.push_back({matrix, begin, begin + count, first_row});
  }

  void AddMatrix(const MatrixView& matrix) { AddRows(matrix, 0, matrix.rows); }

  void AddVector(const std::vector<float>& values) {
    MatrixView row;
    row.rows = 1;
    row.cols = static_cast<uint32_t>(values.size());
    row.data = reinterpret_cast<const std::byte*>(values.data());
    row.row_bytes = RowBytes(row.type, row.cols);
    AddMatrix(row);
  }

  // All query heads, then all key heads, then all value heads.
  void AddFlatQkv(const QkvProjection& qkv, const AttentionGeometry& geometry) {
    const MatrixView& matrix = qkv.parts[0].matrix;
    for (const uint32_t offset : qkv.q_offsets) AddRows(matrix, offset, geometry.head_dim);
    for (const uint32_t offset : qkv.k_offsets) AddRows(matrix, offset, geometry.head_dim);
    for (const uint32_t offset : qkv.v_offsets) AddRows(matrix, offset, geometry.v_head_dim);
  }

  void AddExperts(const std::vector<MlpWeights>& experts, MatrixView MlpWeights::*projection) {
    for (const MlpWeights& expert : experts) AddMatrix(expert.*projection);
  }

  void AddMtp(const TensorSpec& spec, const MtpWeights& mtp) {
    switch (spec.role) {
      case TensorRole::kMtpEmbeddingNorm:
        return AddVector(mtp.embedding_norm);
      case TensorRole::kMtpHiddenNorm:
        return AddVector(mtp.hidden_norm);
      case TensorRole::kMtpEhProj:
        return AddMatrix(mtp.eh_proj);
      case TensorRole::kMtpFinalLayernorm:
        return AddVector(mtp.final_layernorm);
      default:
        return AddLayer(spec, mtp.layer, config_.MtpAttention());
    }
  }

  void AddLayer(const TensorSpec& spec, const LayerWeights& layer, const AttentionGeometry& geometry) {
    const QkvProjection& qkv = layer.attention.qkv;
    switch (spec.role) {
      case TensorRole::kInputLayernorm:
        return AddVector(layer.input_layernorm);
      case TensorRole::kPostAttentionLayernorm:
        return AddVector(layer.post_attention_layernorm);
      case TensorRole::kQkvProj:
        return AddFlatQkv(qkv, geometry);
      case TensorRole::kQProj:
        return AddMatrix(qkv.parts[0].matrix);
      case TensorRole::kKProj:
        return AddMatrix(qkv.parts[1].matrix);
      case TensorRole::kVProj:
        return AddMatrix(qkv.parts[2].matrix);
      case TensorRole::kQBias:
        return AddVector(qkv.parts[0].bias);
      case TensorRole::kKBias:
        return AddVector(qkv.parts[1].bias);
      case TensorRole::kVBias:
        return AddVector(qkv.parts[2].bias);
      case TensorRole::kOProj:
        return AddMatrix(layer.attention.o_proj);
      case TensorRole::kSinks:
        return AddVector(layer.attention.sinks);
      default:
        return AddFeedForward(spec, layer);
    }
  }

  void AddFeedForward(const TensorSpec& spec, const LayerWeights& layer) {
    switch (spec.role) {
      case TensorRole::kGateProj:
        return AddMatrix(layer.mlp.gate_proj);
      case TensorRole::kUpProj:
        return AddMatrix(layer.mlp.up_proj);
      case TensorRole::kDownProj:
        return AddMatrix(layer.mlp.down_proj);
      case TensorRole::kRouter:
        return AddMatrix(layer.moe.router);
      case TensorRole::kRouterBias:
        return AddVector(layer.moe.e_score_correction_bias);
      case TensorRole::kExpertGateProj:
        return AddExperts(layer.moe.experts, &MlpWeights::gate_proj);
      case TensorRole::kExpertUpProj:
        return AddExperts(layer.moe.experts, &MlpWeights::up_proj);
      case TensorRole::kExpertDownProj:
        return AddExperts(layer.moe.experts, &MlpWeights::down_proj);
      default:
        MIMO_CHECK(false);  // Find took the others
    }
  }

  const ModelConfig& config_;
  const ModelWeights& weights_;
  std::vector<RowRange> ranges_;
};

// Chooses the type of each tensor.
class TypeChooser {
 public:
  static Result<TypeChooser> Create(const RequantizeOptions& options) {
    TypeChooser chooser;
    chooser.type_ = options.type;
    for (const TypeRule& rule : options.rules) {
      try {
        chooser.rules_.push_back({rule, std::regex(rule.pattern), false});
      } catch (const std::regex_error&) {
        return InvalidArgument("'{}' is not a regular expression (--set-type): correct it", rule.pattern);
      }
    }
    return chooser;
  }

  StoredType Choose(const TensorSpec& spec, const MatrixView& source) {
    if (spec.shape.size() == 1) return StoredType::kF32;
    if (spec.role == TensorRole::kRouter) {
      const StoredType stored = GgufTypeOf(source.type).value_or(StoredType::kF32);
      return IsBlockType(stored) ? StoredType::kF32 : stored;
    }
    StoredType type = type_;
    for (Rule& entry : rules_) {
      if (!std::regex_search(spec.name, entry.regex)) continue;
      type = entry.rule.type;
      entry.has_matched = true;
    }
    return type;
  }

  Status CheckThatAllMatched() const {
    for (const Rule& entry : rules_) {
      if (entry.has_matched) continue;
      return InvalidArgument(
          "'{}' matches no matrix (--set-type): use GGUF names such as blk.0.ffn_down_exps.weight; norms and "
          "routers keep their type",
          entry.rule.pattern);
    }
    return {};
  }

 private:
  struct Rule {
    TypeRule rule;
    std::regex regex;
    bool has_matched = false;
  };

  TypeChooser() = default;
  StoredType type_ = StoredType::kF32;
  std::vector<Rule> rules_;
};

// The configuration of the output: flat qkv, and a head of its own.
ModelConfig OutputConfig(const ModelConfig& config) {
  ModelConfig output = config;
  output.qkv_chunks = 1;
  output.tie_word_embeddings = false;
  return output;
}

Result<std::vector<OutputTensor>> PlanTensors(const ModelConfig& config, const ModelWeights& weights,
                                              const RequantizeOptions& options) {
  MIMO_ASSIGN_OR_RETURN(TypeChooser chooser, TypeChooser::Create(options));
  RowFinder finder(config, weights);
  std::vector<OutputTensor> tensors;
  for (const TensorSpec& spec : TensorTable(config, CheckpointFormat::kGguf)) {
    OutputTensor tensor;
    tensor.ranges = finder.Find(spec);
    tensor.layout.name = spec.name;
    tensor.layout.type = chooser.Choose(spec, tensor.ranges.front().matrix);
    tensor.layout.shape = spec.shape;
    const uint32_t block = QuantizedBlockSize(tensor.layout.type);
    if (tensor.cols() % block != 0) {
      return InvalidArgument(
          "tensor '{}' has rows of {} columns, its type needs multiples of {}: give it another one with "
          "--set-type",
          spec.name, tensor.cols(), block);
    }
    tensors.push_back(std::move(tensor));
  }
  MIMO_RETURN_IF_ERROR(chooser.CheckThatAllMatched());
  return tensors;
}

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
      if (GgufTypeOf(range->matrix.type) == tensor.layout.type && range->matrix.scales == nullptr) {
        std::memcpy(to, range->matrix.data + source_row * range->matrix.row_bytes, row_bytes);
        continue;
      }
      DequantizeRow(range->matrix, source_row, buffers.row.data());
      if (!QuantizeRow(tensor.layout.type, buffers.row, {}, to)) {
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

}  // namespace

Result<RequantizeSummary> Requantize(const Checkpoint& checkpoint, const std::string& out,
                                     const RequantizeOptions& options) {
  if (checkpoint.config().family != ModelFamily::kMimoV2) {
    return Unimplemented("a model of architecture '{}' has no GGUF form ({}): use it as it is",
                         checkpoint.config().architecture, checkpoint.path());
  }
  const ModelConfig config = OutputConfig(checkpoint.config());
  if (options.tokenizer.tokens.size() > config.vocab_size) {
    return InvalidArgument("the tokenizer has {} tokens, the model {} ({})", options.tokenizer.tokens.size(),
                           config.vocab_size, checkpoint.path());
  }
  MIMO_ASSIGN_OR_RETURN(const ModelWeights weights, BindModelWeights(checkpoint));
  MIMO_ASSIGN_OR_RETURN(std::vector<OutputTensor> tensors, PlanTensors(config, weights, options));
  GgufHeaderBuilder gguf;
  AddGgufGeneral(options.name, options.type, &gguf);
  AddGgufConfig(config, &gguf);
  AddGgufTokenizer(options.tokenizer, config, &gguf);
  std::vector<TensorLayout> layouts;
  layouts.reserve(tensors.size());
  for (const OutputTensor& tensor : tensors) layouts.push_back(tensor.layout);
  const std::string header = gguf.Finish(layouts);
  RequantizeSummary summary;
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].layout.offset = layouts[i].offset;
    summary.bytes += layouts[i].num_bytes();
    summary.parameters += tensors[i].num_rows() * tensors[i].cols();
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
