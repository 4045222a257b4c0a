#include "train/network_checkpoint.h"

#include <torch/torch.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "weights/checkpoint.h"
#include "weights/output_file.h"
#include "weights/safetensors_writer.h"
#include "weights/tensor_table.h"

namespace mimo {
namespace {

namespace fs = std::filesystem;
using torch::Tensor;

constexpr const char* kTokenizerFiles[] = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                                           "generation_config.json"};

// Finds the rows of our parameters that make up a tensor of the table.
class ParameterIndex {
 public:
  ParameterIndex(const Network& network, const MtpHeads* heads)
      : config_(network.config()), router_bias_(network.router_bias()) {
    config_.num_nextn_predict_layers = heads == nullptr ? 0 : static_cast<uint32_t>(heads->num_heads());
    for (const NetworkParameter& parameter : network.parameters()) Insert(parameter);
    if (heads == nullptr) return;
    for (const NetworkParameter& parameter : heads->parameters()) Insert(parameter);
  }

  std::vector<TensorSpec> Table() const { return TensorTable(config_, CheckpointFormat::kSafetensors); }

  // Views whose rows, one after the other, are the tensor.
  std::vector<Tensor> Parts(const TensorSpec& spec) const {
    switch (spec.role) {
      case TensorRole::kQkvProj:
        return QkvParts(spec);
      case TensorRole::kQProj:
        return {QkvPart(spec, 0, 0, 1)};
      case TensorRole::kKProj:
        return {QkvPart(spec, 1, 0, 1)};
      case TensorRole::kVProj:
        return {QkvPart(spec, 2, 0, 1)};
      case TensorRole::kGateProj:
        return {Get(spec, "gate_up").chunk(2, 0)[0]};
      case TensorRole::kUpProj:
        return {Get(spec, "gate_up").chunk(2, 0)[1]};
      case TensorRole::kExpertGateProj:
        return {Get(spec, "experts.gate_up")[spec.expert_index].chunk(2, 0)[0]};
      case TensorRole::kExpertUpProj:
        return {Get(spec, "experts.gate_up")[spec.expert_index].chunk(2, 0)[1]};
      case TensorRole::kExpertDownProj:
        return {Get(spec, "experts.down")[spec.expert_index]};
      case TensorRole::kRouterBias:
        return {router_bias_[SparseIndex(spec.layer_index)]};
      default:
        return {Get(spec, NameOf(spec.role))};
    }
  }

 private:
  void Insert(const NetworkParameter& parameter) {
    parameters_.emplace(parameter.name, parameter.value.detach());
  }

  static const char* NameOf(TensorRole role) {
    switch (role) {
      case TensorRole::kEmbedTokens:
        return "embed_tokens";
      case TensorRole::kNorm:
        return "norm";
      case TensorRole::kLmHead:
        return "lm_head";
      case TensorRole::kInputLayernorm:
        return "input_layernorm";
      case TensorRole::kPostAttentionLayernorm:
        return "post_attention_layernorm";
      case TensorRole::kOProj:
        return "o";
      case TensorRole::kSinks:
        return "sinks";
      case TensorRole::kDownProj:
        return "down";
      case TensorRole::kRouter:
        return "router";
      case TensorRole::kMtpEmbeddingNorm:
        return "enorm";
      case TensorRole::kMtpHiddenNorm:
        return "hnorm";
      case TensorRole::kMtpEhProj:
        return "eh_proj";
      case TensorRole::kMtpFinalLayernorm:
        return "final_layernorm";
      default:
        MIMO_CHECK(false);
    }
  }

  Tensor Get(const TensorSpec& spec, const std::string& name) const {
    std::string key = name;
    if (spec.layer_index != kNoIndex) key = fmt::format("layers.{}.{}", spec.layer_index, name);
    if (spec.mtp_index != kNoIndex) key = fmt::format("mtp.{}.{}", spec.mtp_index, name);
    return parameters_.at(key);
  }

  // Chunk `chunk` of `chunks` of q (0), k (1) or v (2).
  Tensor QkvPart(const TensorSpec& spec, int64_t which, int64_t chunk, int64_t chunks) const {
    const AttentionGeometry& geometry = spec.mtp_index != kNoIndex
                                            ? config_.MtpAttention()
                                            : config_.Attention(static_cast<uint32_t>(spec.layer_index));
    const int64_t q_rows = int64_t{geometry.num_attention_heads} * geometry.head_dim;
    const int64_t k_rows = int64_t{geometry.num_key_value_heads} * geometry.head_dim;
    const int64_t v_rows = int64_t{geometry.num_key_value_heads} * geometry.v_head_dim;
    const int64_t begins[] = {0, q_rows, q_rows + k_rows};
    const int64_t rows = (which == 0 ? q_rows : which == 1 ? k_rows : v_rows) / chunks;
    return Get(spec, "qkv").narrow(0, begins[which] + chunk * rows, rows);
  }

  std::vector<Tensor> QkvParts(const TensorSpec& spec) const {
    std::vector<Tensor> parts;
    for (uint32_t chunk = 0; chunk < config_.qkv_chunks; ++chunk) {
      for (int64_t which = 0; which < 3; ++which) {
        parts.push_back(QkvPart(spec, which, chunk, config_.qkv_chunks));
      }
    }
    return parts;
  }

  int64_t SparseIndex(int32_t layer_index) const {
    return std::count(config_.is_sparse.begin(), config_.is_sparse.begin() + layer_index, true);
  }

  ModelConfig config_;
  Tensor router_bias_;
  std::unordered_map<std::string, Tensor> parameters_;
};

// Calls write(partial path), then puts the file in the place of `path`.
template <typename Write>
Status Replace(const std::string& path, const Write& write) {
  const std::string partial = path + ".partial";
  MIMO_RETURN_IF_ERROR(write(partial));
  std::error_code error;
  fs::rename(partial, path, error);
  if (error) return Internal("cannot rename: {} ({})", error.message(), partial);
  return {};
}

Status WriteTensors(const std::string& path, const ParameterIndex& index) {
  const std::vector<TensorSpec> table = index.Table();
  std::vector<TensorLayout> layouts;
  for (const TensorSpec& spec : table) {
    layouts.push_back({.name = spec.name, .type = StoredType::kF32, .shape = spec.shape, .offset = 0});
  }
  const std::string header = SafetensorsHeader(layouts);
  const uint64_t size = layouts.back().offset + layouts.back().num_bytes();
  MIMO_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path, size));
  MIMO_RETURN_IF_ERROR(file.WriteAt(0, std::as_bytes(std::span(header))));
  for (size_t i = 0; i < table.size(); ++i) {
    const Tensor values = torch::cat(index.Parts(table[i])).cpu().contiguous();
    MIMO_CHECK(static_cast<uint64_t>(values.numel()) == table[i].num_elements());
    const std::span floats(values.data_ptr<float>(), static_cast<size_t>(values.numel()));
    MIMO_RETURN_IF_ERROR(file.WriteAt(layouts[i].offset, std::as_bytes(floats)));
  }
  return file.Close();
}

Status CopyTokenizer(const std::string& from, const std::string& to) {
  for (const char* name : kTokenizerFiles) {
    const std::string source = from + "/" + name;
    const std::string target = to + "/" + name;
    std::error_code error;
    if (!fs::exists(source, error) || fs::equivalent(source, target, error)) continue;
    fs::copy_file(source, target, fs::copy_options::overwrite_existing, error);
    if (error) return Internal("cannot copy: {} ({})", error.message(), source);
  }
  return {};
}

Result<std::string> FinalConfig(const SaveNetworkOptions& options, const MtpHeads* heads) {
  MIMO_ASSIGN_OR_RETURN(Json config, ParseJson(options.config_json));
  if (!config.is_object()) return InvalidArgument("config.json is not an object");
  config["num_nextn_predict_layers"] = heads == nullptr ? 0 : heads->num_heads();
  config["dtype"] = "float32";
  config.erase("torch_dtype");
  config.erase("quantization_config");
  return config.dump(2) + "\n";
}

std::optional<torch::ScalarType> PlainType(StoredType type) {
  switch (type) {
    case StoredType::kF32:
      return torch::kFloat32;
    case StoredType::kF16:
      return torch::kFloat16;
    case StoredType::kBf16:
      return torch::kBFloat16;
    default:
      return std::nullopt;
  }
}

Status LoadTensor(const Checkpoint& checkpoint, const TensorSpec& spec, const ParameterIndex& index) {
  const StoredTensor* const stored = checkpoint.Find(spec.name);
  if (stored == nullptr) return InvalidArgument("tensor '{}' is missing ({})", spec.name, checkpoint.path());
  if (stored->shape != spec.shape) {
    return InvalidArgument("tensor '{}' has another shape than the network ({})", spec.name,
                           checkpoint.Where(*stored));
  }
  const std::optional<torch::ScalarType> type = PlainType(stored->type);
  if (!type) {
    return InvalidArgument(
        "tensor '{}' is stored as {}: training starts from float32, bfloat16 or float16 ({})", spec.name,
        stored->type_name, checkpoint.Where(*stored));
  }
  const std::vector<int64_t> shape(spec.shape.begin(), spec.shape.end());
  const Tensor values = torch::empty(shape, *type);
  MIMO_CHECK(values.nbytes() == stored->data.size());
  std::memcpy(values.data_ptr(), stored->data.data(), stored->data.size());
  int64_t row = 0;
  for (const Tensor& part : index.Parts(spec)) {
    part.copy_(values.narrow(0, row, part.size(0)));
    row += part.size(0);
  }
  return {};
}

}  // namespace

Status SaveNetwork(const std::string& folder, const Network& network, const MtpHeads* heads,
                   const SaveNetworkOptions& options) {
  const torch::NoGradGuard no_gradient;
  MIMO_ASSIGN_OR_RETURN(const std::string config, FinalConfig(options, heads));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return InvalidArgument("cannot make the folder: {} ({}): check the path", error.message(), folder);
  if (!options.tokenizer_folder.empty()) {
    MIMO_RETURN_IF_ERROR(CopyTokenizer(options.tokenizer_folder, folder));
  }
  const ParameterIndex index(network, heads);
  MIMO_RETURN_IF_ERROR(Replace(folder + "/model.safetensors",
                               [&](const std::string& path) { return WriteTensors(path, index); }));
  return Replace(folder + "/config.json",
                 [&](const std::string& path) { return WriteTextFile(path, config); });
}

Status LoadNetwork(const std::string& folder, Network* network, MtpHeads* heads) {
  const torch::NoGradGuard no_gradient;
  MIMO_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                        Checkpoint::Open(folder, {.overrides = {}, .populate = false, .num_threads = 1}));
  const ParameterIndex index(*network, heads);
  for (const TensorSpec& spec : index.Table()) {
    MIMO_RETURN_IF_ERROR(LoadTensor(checkpoint, spec, index));
  }
  return {};
}

}  // namespace mimo
