// A GGUF file, or the shards of a split one: name-00001-of-00003.gguf and its neighbours. The first shard
// carries the metadata; each has its own tensor directory.
#include <fmt/core.h>

#include <charconv>
#include <filesystem>
#include <utility>

#include "weights/checkpoint_reader.h"
#include "weights/config_fields.h"
#include "weights/gguf.h"
#include "weights/gguf_config.h"

namespace mimo {
namespace {

constexpr int64_t kSplitFilesMax = 4096;
constexpr size_t kArchitectureBytesMax = 80;

std::string FileName(const std::string& path) { return std::filesystem::path(path).filename().string(); }

Result<int64_t> ShardCount(const GgufFile& gguf, const std::string& path) {
  const int64_t count = gguf.Integer("split.count").value_or(1);
  if (count < 0 || count > kSplitFilesMax) {
    return DataLoss("'split.count' = {} is not from 0 to {} ({})", count, kSplitFilesMax, FileName(path));
  }
  const int64_t number = gguf.Integer("split.no").value_or(0);
  if (number != 0) {
    return InvalidArgument("this is shard {} of {} ({}): open the first one", number + 1, count,
                           FileName(path));
  }
  return count == 0 ? 1 : count;
}

// The path of each shard, derived from the first one's.
Result<std::vector<std::string>> ShardPaths(const std::string& path, int64_t count) {
  if (count == 1) return std::vector<std::string>{path};
  const std::string first_suffix = fmt::format("-00001-of-{:05}.gguf", count);
  if (!path.ends_with(first_suffix)) {
    return InvalidArgument("the first of {} shards must be named '...{}' ({})", count, first_suffix,
                           FileName(path));
  }
  const std::string prefix = path.substr(0, path.size() - first_suffix.size());
  std::vector<std::string> paths;
  for (int64_t i = 1; i <= count; ++i)
    paths.push_back(fmt::format("{}-{:05}-of-{:05}.gguf", prefix, i, count));
  return paths;
}

}  // namespace

Status CheckpointReader::ReadGguf() {
  MIMO_ASSIGN_OR_RETURN(GgufFile first, ParseGguf(checkpoint_.files_.front().bytes(), FileName(path_)));
  MIMO_ASSIGN_OR_RETURN(const int64_t num_shards, ShardCount(first, path_));
  MIMO_ASSIGN_OR_RETURN(const std::vector<std::string> paths, ShardPaths(path_, num_shards));
  MIMO_RETURN_IF_ERROR(AddTensors(std::move(first.tensors), 0));
  for (uint32_t i = 1; i < paths.size(); ++i) {
    MIMO_RETURN_IF_ERROR(MapFile(paths[i]));
    MIMO_ASSIGN_OR_RETURN(GgufFile shard, ParseGguf(checkpoint_.files_.back().bytes(), FileName(paths[i])));
    if (shard.Integer("split.no") != int64_t{i} || shard.Integer("split.count") != num_shards) {
      return DataLoss("not shard {} of {} of the same model ({})", i + 1, num_shards, FileName(paths[i]));
    }
    MIMO_RETURN_IF_ERROR(AddTensors(std::move(shard.tensors), i));
  }
  const int64_t num_tensors = first.Integer("split.tensors.count").value_or(0);
  if (num_shards > 1 && num_tensors > 0 &&
      static_cast<uint64_t>(num_tensors) != checkpoint_.tensors_.size()) {
    return DataLoss("the shards hold {} tensors, 'split.tensors.count' says {} ({})",
                    checkpoint_.tensors_.size(), num_tensors, FileName(path_));
  }
  const std::string file_name = FileName(path_);
  const TensorFinder find = [this](std::string_view name) { return checkpoint_.Find(name); };
  MIMO_ASSIGN_OR_RETURN(Json json, ConfigFromGguf(first, find, file_name));
  MIMO_ASSIGN_OR_RETURN(const Json config, NormalizeConfig(std::move(json), options_.overrides, file_name));
  MIMO_ASSIGN_OR_RETURN(checkpoint_.config_, InterpretConfig(config, file_name));
  // Files converted by this program say what the source was; only its published template depends on it.
  const std::string_view source = first.String("mimo2.source_architecture");
  if (!source.empty()) checkpoint_.config_.architecture = source.substr(0, kArchitectureBytesMax);
  MIMO_ASSIGN_OR_RETURN(checkpoint_.tokenizer_, TokenizerFromGguf(first, file_name));
  return {};
}

}  // namespace mimo
