#include "train/training_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <torch/csrc/jit/serialization/pickle.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "weights/output_file.h"

namespace mimo {
namespace {

constexpr const char* kProgressFile = "/training_state.json";
constexpr const char* kMomentsFile = "/training_state.pt";
constexpr std::string_view kCheckpointPrefix = "checkpoint-";
constexpr const char* kPartialSuffix = ".partial";

using Moments = c10::Dict<std::string, torch::Tensor>;

Result<std::vector<char>> PickleMoments(const Optimizer& optimizer) {
  try {
    Moments moments;
    for (const auto& [name, tensor] : optimizer.state()) moments.insert(name, tensor.cpu());
    return torch::jit::pickle_save(moments);
  } catch (const std::exception& error) {
    return Internal("the optimizer's state cannot be written: {}", error.what());
  }
}

Status UnpickleMoments(const std::string& path, Optimizer& optimizer) {
  MIMO_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const std::string_view text = file.text();
  try {
    const c10::IValue value = torch::jit::pickle_load(std::vector<char>(text.begin(), text.end()));
    const auto moments = value.toGenericDict();
    for (auto& [name, tensor] : optimizer.state()) {
      if (!moments.contains(name))
        return DataLoss("'{}' is missing ({}): remove this checkpoint", name, path);
      const torch::Tensor saved = moments.at(name).toTensor();
      if (saved.sizes() != tensor.sizes()) {
        return DataLoss("'{}' has another shape than the model's ({}): remove this checkpoint", name, path);
      }
      torch::Tensor moment = tensor;
      moment.copy_(saved);
    }
  } catch (const std::exception& error) {
    return DataLoss("not a training state ({}): remove this checkpoint. {}", path, error.what());
  }
  return {};
}

Status CheckFixedOptions(const Json& saved, const Json& wanted, const std::string& path) {
  for (const auto& [key, value] : wanted.items()) {
    const auto before = saved.find(key);
    if (before != saved.end() && *before == value) continue;
    return InvalidArgument("'{}' was {} and is {} now (--resume, {}): give it as before", key,
                           before == saved.end() ? "not given" : DumpJson(*before), DumpJson(value), path);
  }
  return {};
}

Result<TrainingProgress> ParseProgress(const Json& json, const std::string& path) {
  const auto count = [&](const char* key) -> Result<uint64_t> {
    const auto field = json.find(key);
    if (field != json.end() && field->is_number_unsigned()) return field->get<uint64_t>();
    return DataLoss("'{}' is not a count ({}): remove this checkpoint", key, path);
  };
  TrainingProgress progress;
  MIMO_ASSIGN_OR_RETURN(progress.steps, count("steps"));
  MIMO_ASSIGN_OR_RETURN(progress.tokens, count("tokens"));
  MIMO_ASSIGN_OR_RETURN(progress.plan.decay_start, count("decay_start"));
  MIMO_ASSIGN_OR_RETURN(progress.plan.total_steps, count("total_steps"));
  const auto elapsed = json.find("elapsed_seconds");
  if (elapsed == json.end() || !elapsed->is_number()) {
    return DataLoss("'elapsed_seconds' is not a number ({}): remove this checkpoint", path);
  }
  progress.elapsed_seconds = elapsed->get<double>();
  return progress;
}

// So that a rename that survives a power cut does not name files that did not.
Status Sync(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && fsync(descriptor) == 0;
  if (descriptor >= 0) close(descriptor);
  if (!synced) return Internal("cannot bring '{}' to the disk", path);
  return {};
}

struct FoundCheckpoint {
  uint64_t steps = 0;
  std::string path;
  bool operator<(const FoundCheckpoint& other) const { return steps < other.steps; }
};

// By steps, oldest first.
std::vector<FoundCheckpoint> FindCheckpoints(const std::string& out) {
  std::vector<FoundCheckpoint> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(out, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kCheckpointPrefix)) continue;
    uint64_t steps = 0;
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kCheckpointPrefix.size(), end, steps);
    if (parsed.ec == std::errc() && parsed.ptr == end) found.push_back({steps, entry.path().string()});
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

Status SaveTrainingState(const std::string& folder, const Optimizer& optimizer,
                         const TrainingProgress& progress, const Json& fixed_options) {
  MIMO_ASSIGN_OR_RETURN(const std::vector<char> moments, PickleMoments(optimizer));
  MIMO_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(folder + kMomentsFile, moments.size()));
  MIMO_RETURN_IF_ERROR(file.WriteAt(0, std::as_bytes(std::span(moments))));
  MIMO_RETURN_IF_ERROR(file.Close());
  const Json json = {{"steps", progress.steps},
                     {"tokens", progress.tokens},
                     {"elapsed_seconds", progress.elapsed_seconds},
                     {"decay_start", progress.plan.decay_start},
                     {"total_steps", progress.plan.total_steps},
                     {"options", fixed_options}};
  return WriteTextFile(folder + kProgressFile, DumpJson(json) + "\n");
}

Result<TrainingProgress> LoadTrainingState(const std::string& folder, const Json& fixed_options,
                                           Optimizer& optimizer) {
  const std::string path = folder + kProgressFile;
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  const Result<Json> json = ParseJson(text);
  if (!json.has_value() || !json->is_object() || !json->contains("options")) {
    return DataLoss("not a training state ({}): remove this checkpoint", path);
  }
  MIMO_RETURN_IF_ERROR(CheckFixedOptions(json->at("options"), fixed_options, path));
  MIMO_ASSIGN_OR_RETURN(const TrainingProgress progress, ParseProgress(*json, path));
  MIMO_RETURN_IF_ERROR(UnpickleMoments(folder + kMomentsFile, optimizer));
  optimizer.set_steps(progress.steps);
  return progress;
}

Status WriteFolderAtomically(const std::string& folder,
                             const std::function<Status(const std::string&)>& write) {
  const std::string partial = folder + kPartialSuffix;
  std::error_code error;
  std::filesystem::remove_all(partial, error);
  std::filesystem::create_directories(partial, error);
  if (error) return Internal("cannot make the folder '{}': {}", partial, error.message());
  MIMO_RETURN_IF_ERROR(write(partial));
  for (const auto& entry : std::filesystem::directory_iterator(partial, error)) {
    MIMO_RETURN_IF_ERROR(Sync(entry.path().string()));
  }
  MIMO_RETURN_IF_ERROR(Sync(partial));
  std::filesystem::remove_all(folder, error);
  std::filesystem::rename(partial, folder, error);
  if (error) return Internal("cannot rename '{}': {}", partial, error.message());
  return Sync(std::filesystem::path(folder).parent_path().string());
}

std::string CheckpointFolder(const std::string& out, uint64_t steps) {
  return fmt::format("{}/{}{:08}", out, kCheckpointPrefix, steps);
}

std::optional<std::string> NewestCheckpoint(const std::string& out) {
  const std::vector<FoundCheckpoint> found = FindCheckpoints(out);
  if (found.empty()) return std::nullopt;
  return found.back().path;
}

void RemoveOldCheckpoints(const std::string& out, size_t count) {
  std::error_code error;
  const std::vector<FoundCheckpoint> found = FindCheckpoints(out);
  for (size_t i = 0; i + count < found.size(); ++i) std::filesystem::remove_all(found[i].path, error);
  for (const auto& entry : std::filesystem::directory_iterator(out, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kCheckpointPrefix) && name.ends_with(kPartialSuffix)) {
      std::filesystem::remove_all(entry.path(), error);
    }
  }
}

}  // namespace mimo
