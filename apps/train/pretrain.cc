// `mimo-train pretrain`: a new model from random weights.

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "apps/train/train_by_flags.h"
#include "apps/train/train_command.h"
#include "apps/train/training_flags.h"
#include "apps/train/trunk_task.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "text/tokenizer.h"
#include "weights/model_config.h"

namespace mimo {
namespace {

struct PretrainFlags {
  TrainingFlags training = {.command = "pretrain", .learning_rate = 2e-3, .targets = "all"};
  std::string config;
  std::string tokenizer;
};

// The model's turns end with <|im_end|>, whose id is the tokenizer's matter: a config without end tokens gets
// it.
Result<std::string> WithEndToken(const std::string& config_json, const std::string& tokenizer_folder) {
  MIMO_ASSIGN_OR_RETURN(Json config, ParseJson(config_json));
  if (!config.is_object() || config.contains("eos_token_id")) return config_json;
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(tokenizer_folder + "/tokenizer.json"));
  MIMO_ASSIGN_OR_RETURN(TokenizerData data, ParseTokenizerJson(text));
  MIMO_ASSIGN_OR_RETURN(const Tokenizer tokenizer, Tokenizer::Create(std::move(data)));
  const std::optional<TokenId> end = tokenizer.Find("<|im_end|>");
  if (!end) return InvalidArgument("no token <|im_end|> in '{}' (--tokenizer)", tokenizer_folder);
  config["eos_token_id"] = *end;
  return config.dump(2) + "\n";
}

Result<PreparedTask> PrepareNewModel(const PretrainFlags& flags, torch::Device device) {
  SaveNetworkOptions save;
  MIMO_ASSIGN_OR_RETURN(const std::string config_json, ReadTextFile(flags.config));
  MIMO_ASSIGN_OR_RETURN(save.tokenizer_folder, TokenizerFolder(flags.tokenizer));
  MIMO_ASSIGN_OR_RETURN(save.config_json, WithEndToken(config_json, save.tokenizer_folder));
  MIMO_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(save.config_json, {}));
  MIMO_ASSIGN_OR_RETURN(Network network, Network::Create(config, flags.training.seed));
  network.To(device);
  return TrunkTask(network, /*heads=*/std::nullopt, save, device);
}

}  // namespace

void AddPretrainCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<PretrainFlags>();
  CLI::App* command = program.add_subcommand("pretrain", "train a new model");
  command->add_option("--config", flags->config, "config.json of the model to make")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--tokenizer", flags->tokenizer, "tokenizer.json, copied to the model")->required();
  AddTrainingFlags(*command, &flags->training);
  command->callback([flags, action] {
    *action = [flags] {
      return TrainByFlags(flags->training,
                          [flags](torch::Device device) { return PrepareNewModel(*flags, device); });
    };
  });
}

}  // namespace mimo
