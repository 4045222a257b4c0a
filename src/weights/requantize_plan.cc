#include "weights/requantize_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/mix_bits.h"
#include "base/progress_bar.h"
#include "base/thread_pool.h"
#include "weights/stored_type.h"
#include "weights/type_budget.h"

namespace mimo {
namespace {

constexpr uint64_t kSampleRows = 96;  // of each tensor, for its errors

// Chooses the type of each tensor by the caller's rules.
class TypeChooser {
 public:
  static Result<TypeChooser> Create(const RequantizeOptions& options) {
    TypeChooser chooser;
    for (const TypeRule& rule : options.rules) {
      try {
        chooser.rules_.push_back({rule, std::regex(rule.pattern), false});
      } catch (const std::regex_error&) {
        return InvalidArgument("'{}' is not a regular expression (--set-type): correct it", rule.pattern);
      }
    }
    return chooser;
  }

  // Nothing for a matrix that no rule is about.
  std::optional<StoredType> Choose(const TensorSpec& spec, const MatrixView& source) {
    if (spec.shape.size() == 1) return StoredType::kF32;
    if (spec.role == TensorRole::kRouter) {
      const StoredType stored = GgufTypeOf(source.type).value_or(StoredType::kF32);
      return IsBlockType(stored) ? StoredType::kF32 : stored;
    }
    std::optional<StoredType> type;
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
  std::vector<Rule> rules_;
};

// One line for each kind of notice, however many tensors it is about.
class Notices {
 public:
  void AddFallback(const OutputTensor& tensor, StoredType wanted) {
    Add(fmt::format("written as {} instead of {}, because their rows are no multiple of {} columns",
                    QuantizedTypeName(tensor.layout.type), QuantizedTypeName(wanted),
                    QuantizedBlockSize(wanted)),
        tensor);
  }
  void AddWithoutImportance(const OutputTensor& tensor) {
    Add("not in the importance matrix: all their columns count alike", tensor);
  }
  void Log() const {
    for (const auto& [text, entry] : by_text_) {
      LogWarning("{} tensors (the first: {}) are {}", entry.count, entry.first, text);
    }
  }

 private:
  struct Entry {
    uint64_t count = 0;
    std::string first;
  };

  void Add(const std::string& text, const OutputTensor& tensor) {
    Entry& entry = by_text_[text];
    if (entry.count++ == 0) entry.first = tensor.layout.name;
  }

  std::map<std::string, Entry> by_text_;
};

// The types between which a budget chooses. Those with 32 columns a block are worse at the same size, so they
// stand in only where rows are not whole super-blocks.
std::vector<StoredType> CandidateTypes(const OutputTensor& tensor) {
  std::vector<StoredType> types;
  if (tensor.cols() % QuantizedBlockSize(StoredType::kQ4K) == 0) {
    types = {StoredType::kQ2K, StoredType::kQ3K, StoredType::kIq4Xs, StoredType::kQ4K,
             StoredType::kQ5K, StoredType::kQ6K, StoredType::kQ80};
  } else if (tensor.cols() % QuantizedBlockSize(StoredType::kQ80) == 0) {
    types = {StoredType::kIq4Nl, StoredType::kQ41, StoredType::kQ50, StoredType::kQ51, StoredType::kQ80};
  }
  types.push_back(StoredType::kBf16);
  // What a released file has in MXFP4 stays as it is without loss.
  if (tensor.ranges.front().matrix.type == WeightType::kMxFp4) types.push_back(StoredType::kMxFp4Block);
  const std::optional<StoredType> stored = GgufTypeOf(tensor.ranges.front().matrix.type);
  if (stored.has_value() && std::find(types.begin(), types.end(), *stored) == types.end())
    types.push_back(*stored);
  return types;
}

uint64_t BytesAs(const OutputTensor& tensor, StoredType type) {
  TensorLayout layout = tensor.layout;
  layout.type = type;
  return layout.num_bytes();
}

// How often a matrix's share of noise counts. The noise of one block of the residual stream is diluted by all
// the others, attention and feed-forward of each layer; that of the head reaches every logit in full.
double ErrorFactor(const TensorSpec& spec, const ModelConfig& config) {
  return spec.role == TensorRole::kLmHead ? 2.0 * config.num_hidden_layers : 1.0;
}

// Chooses the types of the matrices `free` under the budget.
class BudgetChooser {
 public:
  // `free`: indices into `tensors`; `factors`: how often the error of each counts.
  BudgetChooser(std::vector<OutputTensor>& tensors, std::vector<size_t> free, std::vector<double> factors,
                const RequantizeOptions& options)
      : tensors_(tensors), free_(std::move(free)), factors_(std::move(factors)), options_(options) {}

  Result<std::vector<TypeChoice>> Choose() {
    MIMO_RETURN_IF_ERROR(Measure());
    uint64_t elements = 0;
    uint64_t fixed_bytes = 0;
    for (const OutputTensor& tensor : tensors_) {
      elements += tensor.num_elements();
      fixed_bytes += tensor.layout.num_bytes();
    }
    for (const size_t index : free_) fixed_bytes -= tensors_[index].layout.num_bytes();
    const auto bytes_max =
        static_cast<uint64_t>(options_.bits_per_weight / 8 * static_cast<double>(elements));
    const uint64_t smallest = fixed_bytes + SmallestBytes();
    if (smallest > bytes_max) {
      return InvalidArgument("{} bits per weight are too few (--bpw): the smallest types need {:.3f}",
                             options_.bits_per_weight,
                             8 * static_cast<double>(smallest) / static_cast<double>(elements));
    }
    const std::optional<std::vector<size_t>> chosen = FitTypesIntoBudget(types_, bytes_max - fixed_bytes);
    std::vector<TypeChoice> choices;
    for (size_t i = 0; chosen.has_value() && i < free_.size(); ++i) {
      OutputTensor& tensor = tensors_[free_[i]];
      const TypeOption& option = types_[i][(*chosen)[i]];
      tensor.layout.type = option.type;
      choices.push_back({tensor.layout.name, option.type, tensor.num_elements(), option.bytes,
                         std::sqrt(option.error / factors_[i])});
    }
    return choices;
  }

 private:
  // Fills types_.
  Status Measure() {
    struct Task {
      size_t tensor;
      TypeOption option;
    };
    std::vector<Task> tasks;
    for (size_t i = 0; i < free_.size(); ++i) {
      for (const StoredType type : CandidateTypes(tensors_[free_[i]])) {
        tasks.push_back({i, {type, BytesAs(tensors_[free_[i]], type), 0}});
      }
    }
    ThreadPool pool(options_.num_threads);
    ProgressBar progress("measuring", tasks.size());
    std::vector<TypeErrorBuffers> buffers(pool.num_threads());
    const auto is_cancelled = [this] { return options_.cancelled != nullptr && options_.cancelled->load(); };
    pool.ParallelFor(static_cast<uint32_t>(tasks.size()), [&](uint32_t index, uint32_t thread) {
      if (is_cancelled()) return;
      Task& task = tasks[index];
      task.option.error = factors_[task.tensor] *
                          MeasureTypeError(tensors_[free_[task.tensor]], task.option.type, buffers[thread]);
      progress.Advance(1);
    });
    if (is_cancelled()) return MakeError(ErrorCode::kCancelled, "interrupted: nothing was written");
    types_.resize(free_.size());
    for (const Task& task : tasks) {
      if (std::isfinite(task.option.error)) types_[task.tensor].push_back(task.option);
    }
    for (size_t i = 0; i < free_.size(); ++i) {
      if (!types_[i].empty()) continue;
      return InvalidArgument("tensor '{}' has numbers that are not finite: check the checkpoint",
                             tensors_[free_[i]].layout.name);
    }
    return {};
  }

  uint64_t SmallestBytes() const {
    uint64_t bytes = 0;
    for (const std::vector<TypeOption>& options : types_) {
      bytes += std::min_element(options.begin(), options.end(), [](const TypeOption& a, const TypeOption& b) {
                 return a.bytes < b.bytes;
               })->bytes;
    }
    return bytes;
  }

  std::vector<OutputTensor>& tensors_;
  const std::vector<size_t> free_;
  const std::vector<double> factors_;
  const RequantizeOptions& options_;
  std::vector<std::vector<TypeOption>> types_;  // for each of free_
};

Status SetImportance(const ImportanceMatrix& matrix, const TensorSpec& spec, OutputTensor* tensor,
                     Notices* notices) {
  // Rows of the embedding are looked up, not multiplied; routers and vectors stay plain.
  if (spec.shape.size() == 1 || spec.role == TensorRole::kEmbedTokens || spec.role == TensorRole::kRouter)
    return {};
  const ImportanceEntry* const entry = matrix.Find(spec.name);
  if (entry == nullptr) {
    notices->AddWithoutImportance(*tensor);
    return {};
  }
  MIMO_ASSIGN_OR_RETURN(
      tensor->importance,
      ColumnImportance::Create(spec.name, *entry, static_cast<uint32_t>(tensor->num_matrices()),
                               static_cast<uint32_t>(tensor->cols())));
  return {};
}

}  // namespace

bool OutputTensor::CanCopy(const RowRange& range, StoredType type) {
  return GgufTypeOf(range.matrix.type) == type && range.matrix.scales == nullptr;
}

double MeasureTypeError(const OutputTensor& tensor, StoredType type, TypeErrorBuffers& buffers) {
  const auto cols = static_cast<uint32_t>(tensor.cols());
  buffers.row.resize(cols);
  buffers.read_back.resize(cols);
  buffers.bytes.resize(QuantizedRowBytes(type, cols));
  MatrixView written;
  written.type = WeightTypeOf(type).value();
  written.rows = 1;
  written.cols = cols;
  written.data = buffers.bytes.data();
  written.row_bytes = buffers.bytes.size();
  const uint64_t num_rows = tensor.num_rows();
  const uint64_t samples = std::min(num_rows, kSampleRows);
  double error = 0;
  double total = 0;
  auto range = tensor.ranges.begin();
  for (uint64_t sample = 0; sample < samples; ++sample) {
    // One row of each of as many equal stretches, not always the same one of a head or an expert.
    const uint64_t begin = sample * num_rows / samples;
    const uint64_t end = (sample + 1) * num_rows / samples;
    const uint64_t row = begin + MixBits(sample) % (end - begin);
    while (range + 1 != tensor.ranges.end() && row >= (range + 1)->first_row) ++range;
    if (OutputTensor::CanCopy(*range, type)) continue;
    DequantizeRow(range->matrix, static_cast<uint32_t>(row - range->first_row + range->begin),
                  buffers.row.data());
    const std::span<const float> importance = tensor.ImportanceOfRow(row);
    if (!QuantizeRow(type, buffers.row, importance, buffers.bytes.data())) {
      return std::numeric_limits<double>::infinity();
    }
    DequantizeRow(written, 0, buffers.read_back.data());
    for (uint32_t i = 0; i < cols; ++i) {
      const double weight = importance.empty() ? 1.0 : importance[i];
      const double value = buffers.row[i];
      const double change = value - static_cast<double>(buffers.read_back[i]);
      error += weight * change * change;
      total += weight * value * value;
    }
  }
  return total > 0 ? error / total : 0.0;
}

Result<RequantizePlan> PlanRequantize(const ModelConfig& config, const ModelWeights& weights,
                                      const RequantizeOptions& options) {
  MIMO_ASSIGN_OR_RETURN(TypeChooser chooser, TypeChooser::Create(options));
  RequantizePlan plan;
  Notices notices;
  std::vector<size_t> free;  // to be chosen by the budget
  std::vector<double> factors;
  for (const TensorSpec& spec : TensorTable(config, CheckpointFormat::kGguf)) {
    OutputTensor tensor;
    tensor.ranges = FindGgufRows(config, weights, spec);
    tensor.layout.name = spec.name;
    tensor.layout.shape = spec.shape;
    const std::optional<StoredType> chosen = chooser.Choose(spec, tensor.ranges.front().matrix);
    const bool is_free = !chosen.has_value() && options.bits_per_weight > 0;
    const StoredType wanted = chosen.value_or(options.type);
    tensor.layout.type = FittingType(wanted, tensor.cols());
    if (is_free) {
      free.push_back(plan.tensors.size());
      factors.push_back(ErrorFactor(spec, config));
    } else if (tensor.layout.type != wanted) {
      notices.AddFallback(tensor, wanted);
    }
    if (options.importance != nullptr) {
      MIMO_RETURN_IF_ERROR(SetImportance(*options.importance, spec, &tensor, &notices));
    }
    plan.tensors.push_back(std::move(tensor));
  }
  MIMO_RETURN_IF_ERROR(chooser.CheckThatAllMatched());
  if (options.bits_per_weight > 0) {
    MIMO_ASSIGN_OR_RETURN(plan.choices,
                          BudgetChooser(plan.tensors, std::move(free), std::move(factors), options).Choose());
  }
  notices.Log();
  return plan;
}

}  // namespace mimo
