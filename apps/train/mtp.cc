// `mimo-train mtp`: heads that guess the tokens after the next one, on a trunk that stays as it is.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "apps/train/train_by_flags.h"
#include "apps/train/train_command.h"
#include "apps/train/training_flags.h"
#include "apps/train/trunk_task.h"
#include "base/mapped_file.h"
#include "weights/model_config.h"

namespace mimo {
namespace {

struct MtpFlags {
  TrainingFlags training = {.command = "mtp", .learning_rate = 1e-3, .targets = "own"};
  std::string model;
  uint32_t num_heads = 3;
};

// One loss of all heads: the mean over all their targets.
LossResult Combine(const std::vector<LossResult>& losses) {
  LossResult combined;
  torch::Tensor sum = torch::zeros({}, losses.front().loss.options());
  for (const LossResult& loss : losses) {
    sum = sum + loss.loss * static_cast<double>(loss.num_targets);
    combined.num_targets += loss.num_targets;
  }
  combined.loss = sum / static_cast<double>(std::max<int64_t>(combined.num_targets, 1));
  return combined;
}

Result<PreparedTask> PrepareHeads(const MtpFlags& flags, torch::Device device) {
  SaveNetworkOptions save;
  MIMO_ASSIGN_OR_RETURN(save.config_json, ReadTextFile(flags.model + "/config.json"));
  MIMO_ASSIGN_OR_RETURN(save.tokenizer_folder, TokenizerFolder(flags.model));
  const std::vector<ConfigOverride> overrides = {
      {"num_nextn_predict_layers", std::to_string(flags.num_heads)}};
  MIMO_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(save.config_json, overrides));
  MIMO_ASSIGN_OR_RETURN(Network network, Network::Create(config, flags.training.seed));
  MIMO_RETURN_IF_ERROR(LoadNetwork(flags.model, &network, nullptr));
  MIMO_ASSIGN_OR_RETURN(MtpHeads heads, MtpHeads::Create(config, flags.training.seed));
  network.To(device);
  heads.To(device);

  PreparedTask prepared;
  prepared.vocab_size = config.vocab_size;
  prepared.task.parameters = heads.parameters();
  for (const NetworkParameter& parameter : prepared.task.parameters) {
    prepared.num_parameters += parameter.value.numel();
  }
  prepared.task.device = device;
  prepared.task.loss = [network, heads](const PackedBatch& batch) mutable {
    return Combine(heads.TrainLoss(network, batch));
  };
  prepared.task.save = [network, heads, save](const std::string& folder) {
    return SaveNetwork(folder, network, &heads, save);
  };
  prepared.task.load = [network, heads](const std::string& folder) mutable {
    return LoadNetwork(folder, &network, &heads);
  };
  return prepared;
}

}  // namespace

void AddMtpCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<MtpFlags>();
  CLI::App* command = program.add_subcommand("mtp", "train the MTP heads of a model");
  command->add_option("--model", flags->model, "folder of the model; it stays as it is")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--heads", flags->num_heads, "number of heads")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  AddTrainingFlags(*command, &flags->training);
  command->callback([flags, action] {
    *action = [flags] {
      return TrainByFlags(flags->training,
                          [flags](torch::Device device) { return PrepareHeads(*flags, device); });
    };
  });
}

}  // namespace mimo
