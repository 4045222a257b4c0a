#include "weights/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "base/progress_bar.h"
#include "base/thread_pool.h"
#include "weights/checkpoint_reader.h"

namespace mimo {
namespace {

constexpr uint64_t kPopulateBytes = uint64_t{64}
                                    << 20;            // one task: large enough for readahead, many per file
constexpr uint64_t kGapBytesMax = uint64_t{1} << 20;  // unused tensors up to this size are read along
constexpr uint32_t kMtpLayersMax = 16;

// Of the vision and audio encoders and of other parts beside the text trunk.
constexpr std::string_view kMediaPrefixes[] = {"visual.",          "audio_encoder.", "speech_embeddings.",
                                               "audio_tokenizer.", "vision_model.",  "audio_model."};

bool IsMedia(std::string_view name) {
  return std::any_of(std::begin(kMediaPrefixes), std::end(kMediaPrefixes),
                     [name](std::string_view prefix) { return name.starts_with(prefix); });
}

// The number that follows `prefix` in `name`.
std::optional<uint32_t> NumberAfter(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
  return number;
}

struct FileRange {
  uint32_t file_index = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
};

}  // namespace

Result<Checkpoint> Checkpoint::Open(const std::string& path, const CheckpointOptions& options) {
  return CheckpointReader(path, options).Read();
}

Result<Checkpoint> Checkpoint::OpenMemory(const std::string& name, std::span<const std::byte> file,
                                          const CheckpointOptions& options) {
  return CheckpointReader(name, options).ReadMemory(file);
}

uint64_t Checkpoint::total_bytes() const {
  uint64_t bytes = 0;
  for (const MappedFile& file : files_) bytes += file.bytes().size();
  return bytes;
}

const StoredTensor* Checkpoint::Find(std::string_view name) const {
  const auto it = index_by_name_.find(std::string(name));
  return it == index_by_name_.end() ? nullptr : &tensors_[it->second];
}

void Checkpoint::ReleaseMemory(std::span<const std::byte> bytes) const {
  for (const MappedFile& file : files_) {
    const std::span<const std::byte> mapped = file.bytes();
    if (bytes.data() < mapped.data() || bytes.data() >= mapped.data() + mapped.size()) continue;
    file.Release(static_cast<uint64_t>(bytes.data() - mapped.data()), bytes.size());
  }
}

std::string Checkpoint::Where(const StoredTensor& tensor) const {
  const std::filesystem::path path = files_[tensor.file_index].path();
  return fmt::format("{}, offset {}", path.filename().string(), tensor.offset);
}

Result<Checkpoint> CheckpointReader::Read() {
  checkpoint_.path_ = path_;
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path_, error);
  if (!std::filesystem::exists(status)) {
    return NotFound("no such model ({}): give a Hugging Face folder or a .gguf file", path_);
  }
  if (std::filesystem::is_directory(status)) {
    MIMO_RETURN_IF_ERROR(ReadFolder());
  } else {
    checkpoint_.is_gguf_ = true;
    MIMO_RETURN_IF_ERROR(MapFile(path_));
    MIMO_RETURN_IF_ERROR(ReadGguf());
  }
  return Finish();
}

Result<Checkpoint> CheckpointReader::ReadMemory(std::span<const std::byte> memory) {
  checkpoint_.path_ = path_;
  checkpoint_.is_gguf_ = true;
  checkpoint_.files_.push_back(MappedFile::View(path_, memory));
  MIMO_RETURN_IF_ERROR(ReadGguf());
  return Finish();
}

Result<Checkpoint> CheckpointReader::Finish() {
  MIMO_RETURN_IF_ERROR(CompleteConfig());
  SortOutTensors();
  if (options_.populate) Populate();
  return std::move(checkpoint_);
}

Status CheckpointReader::MapFile(const std::string& path) {
  MIMO_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  checkpoint_.files_.push_back(std::move(file));
  return {};
}

Status CheckpointReader::AddTensors(std::vector<StoredTensor> tensors, uint32_t file_index) {
  for (StoredTensor& tensor : tensors) {
    tensor.file_index = file_index;
    const auto [it, added] = checkpoint_.index_by_name_.emplace(tensor.name, checkpoint_.tensors_.size());
    if (!added) {
      return DataLoss("tensor '{}' stands twice ({}; {})", tensor.name,
                      checkpoint_.Where(checkpoint_.tensors_[it->second]), checkpoint_.Where(tensor));
    }
    checkpoint_.tensors_.push_back(std::move(tensor));
  }
  return {};
}

Status CheckpointReader::CompleteConfig() {
  ModelConfig& config = checkpoint_.config_;
  if (!checkpoint_.is_gguf_ && config.family == ModelFamily::kMimoV2) {
    config.fused_qkv = checkpoint_.Find("model.layers.0.self_attn.qkv_proj.weight") != nullptr;
    if (config.fused_qkv && config.attention_bias) {
      return Unimplemented("'attention_bias' with a fused qkv_proj is not supported (config.json)");
    }
  }
  // The highest index counts, so that a layer with some tensors missing is found when it is bound.
  const std::string_view prefixes[] = {"model.mtp.layers.", "model.mtp_layers."};
  const std::string_view prefix = prefixes[config.family == ModelFamily::kMimoV2 ? 0 : 1];
  uint32_t num_mtp_layers = 0;
  for (const StoredTensor& tensor : checkpoint_.tensors_) {
    const std::optional<uint32_t> number = NumberAfter(tensor.name, checkpoint_.is_gguf_ ? "blk." : prefix);
    if (!number.has_value()) continue;
    const uint32_t first = checkpoint_.is_gguf_ ? config.num_hidden_layers : 0;
    if (*number < first) continue;
    if (*number - first >= kMtpLayersMax) {
      return InvalidArgument("tensor '{}' belongs to MTP layer {}, past the {} that are accepted ({})",
                             tensor.name, *number - first, kMtpLayersMax, checkpoint_.Where(tensor));
    }
    num_mtp_layers = std::max(num_mtp_layers, *number - first + 1);
  }
  if (num_mtp_layers < config.num_nextn_predict_layers) {
    LogInfo("{} of {} MTP layers are in the files of {}", num_mtp_layers, config.num_nextn_predict_layers,
            path_);
  }
  config.num_nextn_predict_layers = num_mtp_layers;
  return {};
}

void CheckpointReader::SortOutTensors() {
  is_used_.assign(checkpoint_.tensors_.size(), false);
  const auto mark = [this](const std::string& name) {
    const auto it = checkpoint_.index_by_name_.find(name);
    if (it != checkpoint_.index_by_name_.end()) is_used_[it->second] = true;
  };
  for (const TensorSpec& spec : TensorTable(checkpoint_.config_, format())) {
    mark(spec.name);
    const StoredTensor* const tensor = checkpoint_.Find(spec.name);
    if (tensor != nullptr && tensor->type == StoredType::kNvFp4) {
      mark(ScaleName(spec, tensor->type));
      mark(InputScaleName(spec));
    }
    if (spec.quantized_forms == QuantizedForms::kNone || checkpoint_.is_gguf_) continue;
    mark(ScaleName(spec, StoredType::kFp8E4M3));
    if (spec.quantized_forms == QuantizedForms::kFp8OrMxFp4) mark(ScaleName(spec, StoredType::kU8));
  }
  uint64_t num_media = 0;
  uint64_t num_unknown = 0;
  std::string_view first_unknown;
  for (size_t i = 0; i < is_used_.size(); ++i) {
    if (is_used_[i]) continue;
    const std::string& name = checkpoint_.tensors_[i].name;
    if (IsMedia(name)) {
      ++num_media;
    } else if (++num_unknown == 1) {
      first_unknown = name;
    }
  }
  if (num_media > 0)
    LogInfo("{} tensors of the vision and audio encoders are not used ({})", num_media, path_);
  if (num_unknown > 0) {
    LogWarning("{} tensors are unknown and not used, the first is '{}' ({})", num_unknown, first_unknown,
               path_);
  }
}

// Used tensors of a file that stand close together become one range, cut into tasks of kPopulateBytes.
void CheckpointReader::Populate() const {
  std::vector<FileRange> ranges;
  uint64_t total = 0;
  std::vector<size_t> order;
  for (size_t i = 0; i < is_used_.size(); ++i) {
    if (is_used_[i]) order.push_back(i);
  }
  const std::vector<StoredTensor>& tensors = checkpoint_.tensors_;
  std::sort(order.begin(), order.end(), [&tensors](size_t a, size_t b) {
    if (tensors[a].file_index != tensors[b].file_index) return tensors[a].file_index < tensors[b].file_index;
    return tensors[a].offset < tensors[b].offset;
  });
  for (const size_t i : order) {
    const StoredTensor& tensor = tensors[i];
    uint64_t begin = tensor.offset;
    const uint64_t end = tensor.offset + tensor.data.size();
    if (!ranges.empty() && ranges.back().file_index == tensor.file_index &&
        begin - ranges.back().end <= kGapBytesMax) {
      const uint64_t limit = ranges.back().begin + kPopulateBytes;
      const uint64_t taken = std::min(end, std::max(limit, ranges.back().end));
      total += taken - ranges.back().end;
      ranges.back().end = taken;
      begin = std::max(begin, taken);
    }
    for (; begin < end; begin = ranges.back().end) {
      ranges.push_back({tensor.file_index, begin, std::min(end, begin + kPopulateBytes)});
      total += ranges.back().end - begin;
    }
  }
  ProgressBar bar("loading", total);
  ThreadPool pool(options_.num_threads);
  pool.ParallelFor(static_cast<uint32_t>(ranges.size()), [&](uint32_t index, uint32_t) {
    const FileRange& range = ranges[index];
    checkpoint_.files_[range.file_index].Populate(range.begin, range.end - range.begin);
    bar.Advance(range.end - range.begin);
  });
}

}  // namespace mimo
