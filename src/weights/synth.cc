#include "weights/synth.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "base/progress_bar.h"
#include "base/thread_pool.h"
#include "kernels/matrix_view.h"
#include "weights/output_file.h"
#include "weights/synth_plan.h"
#include "weights/synth_presets.h"

namespace mimo {
namespace {

// About a megabyte that consists of whole groups of four elements of every type and of whole q8_0 blocks.
constexpr uint64_t kBufferBytes = 272 * uint64_t{3855};
static_assert(kBufferBytes % 16 == 0 && kBufferBytes % kQ80BlockBytes == 0);
constexpr const char* kIndexName = "model.safetensors.index.json";

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

CheckpointFormat FormatOf(std::string_view out) {
  return EndsWith(out, ".gguf") ? CheckpointFormat::kGguf : CheckpointFormat::kSafetensors;
}

uint64_t TensorBytes(const SynthPlan& plan) {
  uint64_t bytes = 0;
  for (const SynthFile& file : plan.files) {
    for (const TensorLayout& tensor : file.tensors) bytes += tensor.num_bytes();
  }
  return bytes;
}

// Fills the files of a plan on all threads, a piece of a tensor at a time.
class PlanWriter {
 public:
  PlanWriter(const SynthPlan& plan, const SynthOptions& options)
      : options_(options),
        pool_(options.num_threads),
        progress_("writing", TensorBytes(plan)),
        buffers_(pool_.num_threads(), std::vector<std::byte>(kBufferBytes)) {
    for (const SynthFile& file : plan.files) {
      for (const SynthStream& stream : file.streams) generator_.Prepare(stream);
    }
  }

  Status Write(const SynthFile& file, const std::string& path) {
    const TensorLayout& last = file.tensors.back();
    MIMO_ASSIGN_OR_RETURN(OutputFile output, OutputFile::Create(path, last.offset + last.num_bytes()));
    MIMO_RETURN_IF_ERROR(output.WriteAt(0, std::as_bytes(std::span(file.header))));
    // first_piece[i] is the number of pieces before tensor i.
    std::vector<uint32_t> first_piece = {0};
    for (const TensorLayout& tensor : file.tensors) {
      const uint64_t pieces = (tensor.num_bytes() + kBufferBytes - 1) / kBufferBytes;
      first_piece.push_back(first_piece.back() + static_cast<uint32_t>(pieces));
    }
    pool_.ParallelFor(first_piece.back(), [&](uint32_t piece, uint32_t thread) {
      const auto next = std::upper_bound(first_piece.begin(), first_piece.end(), piece);
      const auto tensor = static_cast<size_t>(next - first_piece.begin() - 1);
      WritePiece(file, tensor, piece - first_piece[tensor], {&output, &buffers_[thread]});
    });
    if (error_) return tl::unexpected<Error>(*error_);
    return output.Close();
  }

 private:
  struct Target {
    const OutputFile* output;
    std::vector<std::byte>* buffer;
  };

  void WritePiece(const SynthFile& file, size_t tensor_index, uint32_t piece, const Target& target) {
    if (HasEnded()) return;
    const TensorLayout& tensor = file.tensors[tensor_index];
    const uint64_t begin = piece * kBufferBytes;
    const uint64_t size = std::min(kBufferBytes, tensor.num_bytes() - begin);
    const std::span<std::byte> bytes(target.buffer->data(), size);
    const uint64_t first_element = tensor.type == StoredType::kQ80 ? begin / kQ80BlockBytes * kQ80BlockSize
                                                                   : begin / StoredTypeSize(tensor.type);
    generator_.Fill(file.streams[tensor_index], first_element, bytes);
    if (const Status status = target.output->WriteAt(tensor.offset + begin, bytes); !status) {
      Fail(status.error());
    }
    progress_.Advance(size);
  }

  bool HasEnded() {
    if (options_.cancelled != nullptr && options_.cancelled->load(std::memory_order_relaxed)) {
      Fail({ErrorCode::kCancelled, "interrupted: the checkpoint is incomplete"});
    }
    const std::lock_guard lock(mutex_);
    return error_.has_value();
  }

  void Fail(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
  }

  const SynthOptions& options_;
  ThreadPool pool_;
  ProgressBar progress_;
  SynthGenerator generator_;
  std::vector<std::vector<std::byte>> buffers_;  // one per thread
  std::mutex mutex_;
  std::optional<Error> error_;  // the first one
};

Status CheckFreeSpace(const std::filesystem::path& folder, uint64_t bytes) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (error || space.available >= bytes) return {};
  return ResourceExhausted("{} bytes are needed and {} are free ({}): write elsewhere, or a smaller model",
                           bytes, space.available, folder.string());
}

Status WriteGguf(const std::string& out, const SynthPlan& plan, const SynthOptions& options) {
  const std::filesystem::path parent = std::filesystem::absolute(out).parent_path();
  MIMO_RETURN_IF_ERROR(CheckFreeSpace(parent, TensorBytes(plan)));
  return PlanWriter(plan, options).Write(plan.files.front(), out);
}

std::string IndexJson(const SynthPlan& plan) {
  std::vector<SafetensorsIndexEntry> entries;
  for (const SynthFile& file : plan.files) {
    for (const TensorLayout& tensor : file.tensors) entries.push_back({tensor.name, file.name});
  }
  SafetensorsIndexMetadata metadata;
  metadata.total_size = TensorBytes(plan);
  metadata.tp_size = plan.geometry.fused_qkv ? plan.geometry.qkv_chunks : 0;
  metadata.save_format = plan.type == SynthType::kMxFp4 ? "mxfp4" : "";
  return SafetensorsIndexJson(std::move(entries), metadata);
}

Status WriteTextFiles(const std::string& folder, const SynthPlan& plan, const TokenizerSource& tokenizer) {
  MIMO_RETURN_IF_ERROR(WriteTextFile(folder + "/config.json", plan.config.dump(2) + "\n"));
  Json generation = {{"do_sample", true}, {"temperature", 1.0}, {"top_p", 0.95}};
  if (!plan.geometry.eos_token_ids.empty()) generation["eos_token_id"] = plan.geometry.eos_token_ids;
  MIMO_RETURN_IF_ERROR(WriteTextFile(folder + "/generation_config.json", generation.dump(2) + "\n"));
  if (!tokenizer.tokenizer_json.empty()) {
    MIMO_RETURN_IF_ERROR(WriteTextFile(folder + "/tokenizer.json", tokenizer.tokenizer_json));
  }
  if (!tokenizer.tokenizer_config_json.empty()) {
    MIMO_RETURN_IF_ERROR(WriteTextFile(folder + "/tokenizer_config.json", tokenizer.tokenizer_config_json));
  }
  return WriteTextFile(folder + "/" + kIndexName, IndexJson(plan));
}

Status WriteFolder(const std::string& out, const SynthPlan& plan, const SynthOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) return InvalidArgument("cannot make the folder: {} ({}): check the path", error.message(), out);
  MIMO_RETURN_IF_ERROR(CheckFreeSpace(out, TensorBytes(plan)));
  std::filesystem::remove(out + "/" + kIndexName, error);
  PlanWriter writer(plan, options);
  for (const SynthFile& file : plan.files) {
    MIMO_RETURN_IF_ERROR(writer.Write(file, out + "/" + file.name));
  }
  return WriteTextFiles(out, plan, options.tokenizer);
}

}  // namespace

Result<uint32_t> SynthVocabSize(const SynthOptions& options) {
  MIMO_ASSIGN_OR_RETURN(const SynthConfig synth, MakeSynthConfig(options.like, options.overrides));
  MIMO_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(DumpJson(synth.config), {}));
  return config.vocab_size;
}

Result<SynthSummary> WriteSynthCheckpoint(const std::string& out, const SynthOptions& options) {
  const CheckpointFormat format = FormatOf(out);
  MIMO_ASSIGN_OR_RETURN(SynthPlan plan, MakeSynthPlan(options, format));
  if (format == CheckpointFormat::kGguf) {
    AddGgufFile(options, &plan);
    MIMO_RETURN_IF_ERROR(WriteGguf(out, plan, options));
  } else {
    AddSafetensorsFiles(options, &plan);
    MIMO_RETURN_IF_ERROR(WriteFolder(out, plan, options));
  }
  SynthSummary summary;
  summary.parameters = plan.parameters;
  summary.bytes = TensorBytes(plan);
  summary.files = static_cast<uint32_t>(plan.files.size());
  return summary;
}

}  // namespace mimo
