// `mimo-train sft`: an existing model goes on learning, from its own tokens of each conversation.

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "apps/train/train_by_flags.h"
#include "apps/train/train_command.h"
#include "apps/train/training_flags.h"
#include "apps/train/trunk_task.h"
#include "base/mapped_file.h"
#include "weights/model_config.h"

namespace mimo {
namespace {

struct SftFlags {
  TrainingFlags training = {.command = "sft", .learning_rate = 2e-4, .targets = "own"};
  std::string model;
};

Result<PreparedTask> PrepareModel(const SftFlags& flags, torch::Device device) {
  SaveNetworkOptions save;
  MIMO_ASSIGN_OR_RETURN(save.config_json, ReadTextFile(flags.model + "/config.json"));
  MIMO_ASSIGN_OR_RETURN(save.tokenizer_folder, TokenizerFolder(flags.model));
  MIMO_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(save.config_json, {}));
  MIMO_ASSIGN_OR_RETURN(Network network, Network::Create(config, flags.training.seed));
  // MTP heads stay as they are: `mtp` trains them anew on the new trunk.
  std::optional<MtpHeads> heads;
  if (config.num_nextn_predict_layers > 0) {
    MIMO_ASSIGN_OR_RETURN(heads, MtpHeads::Create(config, flags.training.seed));
  }
  MIMO_RETURN_IF_ERROR(LoadNetwork(flags.model, &network, heads.has_value() ? &*heads : nullptr));
  network.To(device);
  return TrunkTask(network, heads, save, device);
}

}  // namespace

void AddSftCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<SftFlags>();
  CLI::App* command = program.add_subcommand("sft", "train an existing model further");
  command->add_option("--model", flags->model, "folder of the model")
      ->required()
      ->check(CLI::ExistingDirectory);
  AddTrainingFlags(*command, &flags->training);
  command->callback([flags, action] {
    *action = [flags] {
      return TrainByFlags(flags->training,
                          [flags](torch::Device device) { return PrepareModel(*flags, device); });
    };
  });
}

}  // namespace mimo
