#include "apps/train/trunk_task.h"

#include <filesystem>
#include <system_error>

namespace mimo {
namespace {

constexpr double kRouterBiasRate = 1e-3;  // of the technical report's first stage

}  // namespace

Result<std::string> TokenizerFolder(const std::string& path) {
  const std::filesystem::path given(path);
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(given, error);
  const std::filesystem::path folder = is_folder ? given : given.parent_path();
  if ((is_folder || given.filename() == "tokenizer.json") &&
      std::filesystem::exists(folder / "tokenizer.json", error)) {
    return folder.empty() ? std::string(".") : folder.string();
  }
  return NotFound("no tokenizer.json at '{}' (--tokenizer): make one with `mimo-train tokenizer`", path);
}

PreparedTask TrunkTask(Network network, std::optional<MtpHeads> heads, const SaveNetworkOptions& save,
                       torch::Device device) {
  PreparedTask prepared;
  prepared.vocab_size = network.config().vocab_size;
  prepared.num_parameters = network.num_parameters();
  TrainingTask& task = prepared.task;
  task.parameters = network.parameters();
  task.device = device;
  task.loss = [network](const PackedBatch& batch) mutable { return network.TrainLoss(batch); };
  if (network.router_bias().defined() && network.router_bias().numel() > 0) {
    task.expert_loads_shape = network.router_bias().sizes().vec();
    task.after_step = [network](const torch::Tensor& loads) mutable {
      network.UpdateRouterBias(loads, kRouterBiasRate);
    };
  }
  task.save = [network, heads, save](const std::string& folder) {
    return SaveNetwork(folder, network, heads.has_value() ? &*heads : nullptr, save);
  };
  task.load = [network, heads](const std::string& folder) mutable {
    return LoadNetwork(folder, &network, heads.has_value() ? &*heads : nullptr);
  };
  return prepared;
}

}  // namespace mimo
