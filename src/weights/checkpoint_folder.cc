// A Hugging Face folder: config.json, one or more .safetensors files, the tokenizer's files.
#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/json.h"
#include "weights/checkpoint_reader.h"
#include "weights/config_fields.h"
#include "weights/safetensors.h"

namespace mimo {
namespace {

constexpr size_t kConfigBytesMax = size_t{4} << 20;
constexpr size_t kIndexBytesMax = size_t{256} << 20;
constexpr size_t kTokenizerBytesMax = size_t{256} << 20;
constexpr size_t kShardsMax = 4096;
constexpr const char* kIndexName = "model.safetensors.index.json";

bool Exists(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// Empty when there is no such file.
Result<std::string> ReadIfPresent(const std::filesystem::path& path, size_t size_max) {
  if (!Exists(path)) return std::string();
  return ReadTextFile(path.string(), size_max);
}

// A template is given as a string, or as a list of {"name", "template"} of which "default" counts.
std::string TemplateOf(const Json& json) {
  if (!json.is_object()) return {};
  const auto it = json.find("chat_template");
  if (it == json.end()) return {};
  if (it->is_string()) return it->get<std::string>();
  if (!it->is_array()) return {};
  for (const Json& entry : *it) {
    if (entry.is_object() && entry.contains("name") && entry["name"] == "default" &&
        entry.contains("template") && entry["template"].is_string()) {
      return entry["template"].get<std::string>();
    }
  }
  return {};
}

Result<Json> ParseJsonFile(const std::string& text, std::string_view file_name) {
  Result<Json> json = ParseJson(text);
  if (!json) return MakeError(json.error().code, "{} ({})", json.error().message, file_name);
  return json;
}

}  // namespace

Status CheckpointReader::ReadFolder() {
  const std::filesystem::path folder = path_;
  if (!Exists(folder / "config.json")) {
    return NotFound("no config.json ({}): give a Hugging Face folder or a .gguf file", path_);
  }
  MIMO_ASSIGN_OR_RETURN(const std::string config,
                        ReadTextFile((folder / "config.json").string(), kConfigBytesMax));
  MIMO_ASSIGN_OR_RETURN(checkpoint_.config_, ParseModelConfig(config, options_.overrides));
  MIMO_RETURN_IF_ERROR(ReadGenerationConfig());
  MIMO_RETURN_IF_ERROR(ReadFolderTokenizer());
  MIMO_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolderFiles());
  for (const std::string& name : names) {
    const auto file_index = static_cast<uint32_t>(checkpoint_.files_.size());
    MIMO_RETURN_IF_ERROR(MapFile((folder / name).string()));
    MIMO_ASSIGN_OR_RETURN(std::vector<StoredTensor> tensors,
                          ParseSafetensors(checkpoint_.files_.back().bytes(), name));
    MIMO_RETURN_IF_ERROR(AddTensors(std::move(tensors), file_index));
  }
  return CheckIndex();
}

// The index decides; without one, every .safetensors file of the folder counts.
Result<std::vector<std::string>> CheckpointReader::ListFolderFiles() {
  const std::filesystem::path folder = path_;
  std::set<std::string> names;
  if (Exists(folder / kIndexName)) {
    MIMO_ASSIGN_OR_RETURN(const std::string text,
                          ReadTextFile((folder / kIndexName).string(), kIndexBytesMax));
    MIMO_ASSIGN_OR_RETURN(SafetensorsIndex index, ParseSafetensorsIndex(text, kIndexName));
    ModelConfig& config = checkpoint_.config_;
    if (index.tp_size.has_value() && config.family == ModelFamily::kMimoV2) {
      if (*index.tp_size == 0 || *index.tp_size > config.full_attention.num_attention_heads) {
        return InvalidArgument("'tp_size' must be from 1 to {}, not {} ({})",
                               config.full_attention.num_attention_heads, *index.tp_size, kIndexName);
      }
      config.qkv_chunks = static_cast<uint32_t>(*index.tp_size);
    }
    for (const auto& [tensor, file] : index.file_by_tensor) names.insert(file);
    file_by_tensor_ = std::move(index.file_by_tensor);
  } else {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".safetensors") names.insert(entry.path().filename().string());
    }
  }
  if (names.empty()) return NotFound("no .safetensors file ({})", path_);
  if (names.size() > kShardsMax) return InvalidArgument("{} files are too many ({})", names.size(), path_);
  return std::vector<std::string>(names.begin(), names.end());
}

// Each tensor must stand in the very file that the index names.
Status CheckpointReader::CheckIndex() const {
  for (const auto& [name, file] : file_by_tensor_) {
    const StoredTensor* const tensor = checkpoint_.Find(name);
    if (tensor == nullptr) {
      return DataLoss("tensor '{}' is missing from the file that the index names ({})", name, file);
    }
    const std::filesystem::path path = checkpoint_.files_[tensor->file_index].path();
    if (path.filename() != file) {
      return DataLoss("tensor '{}' stands in another file than the index says ({} instead of {})", name,
                      checkpoint_.Where(*tensor), file);
    }
  }
  return {};
}

Status CheckpointReader::ReadFolderTokenizer() {
  const std::filesystem::path folder = path_;
  TokenizerSource& source = checkpoint_.tokenizer_;
  MIMO_ASSIGN_OR_RETURN(source.tokenizer_json, ReadIfPresent(folder / "tokenizer.json", kTokenizerBytesMax));
  MIMO_ASSIGN_OR_RETURN(source.tokenizer_config_json,
                        ReadIfPresent(folder / "tokenizer_config.json", kConfigBytesMax));
  MIMO_ASSIGN_OR_RETURN(source.chat_template, ReadIfPresent(folder / "chat_template.jinja", kConfigBytesMax));
  if (!source.chat_template.empty()) return {};
  MIMO_ASSIGN_OR_RETURN(const std::string text,
                        ReadIfPresent(folder / "chat_template.json", kConfigBytesMax));
  if (!text.empty()) {
    MIMO_ASSIGN_OR_RETURN(const Json json, ParseJsonFile(text, "chat_template.json"));
    source.chat_template = TemplateOf(json);
  }
  if (source.chat_template.empty() && !source.tokenizer_config_json.empty()) {
    MIMO_ASSIGN_OR_RETURN(const Json json,
                          ParseJsonFile(source.tokenizer_config_json, "tokenizer_config.json"));
    source.chat_template = TemplateOf(json);
  }
  return {};
}

// Adds its eos_token_id, which for chat models lists more ids than config.json.
Status CheckpointReader::ReadGenerationConfig() {
  const std::filesystem::path path = std::filesystem::path(path_) / "generation_config.json";
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadIfPresent(path, kConfigBytesMax));
  if (text.empty()) return {};
  MIMO_ASSIGN_OR_RETURN(const Json json, ParseJsonFile(text, "generation_config.json"));
  if (!json.is_object()) return InvalidArgument("not a JSON object (generation_config.json)");
  const ConfigFields fields(json, "generation_config.json");
  MIMO_ASSIGN_OR_RETURN(const std::vector<uint32_t> ids,
                        fields.TokenIds("eos_token_id", checkpoint_.config_.vocab_size));
  std::vector<uint32_t>& known = checkpoint_.config_.eos_token_ids;
  for (const uint32_t id : ids) {
    if (std::find(known.begin(), known.end(), id) == known.end()) known.push_back(id);
  }
  return {};
}

}  // namespace mimo
