#pragma once
// The flags of `mimo serve` beyond the model's.

#include <string>
#include <vector>

#include "apps/commands/model_flags.h"
#include "engine/engine.h"
#include "server/serve.h"
#include "server/served_model.h"

namespace mimo {

struct ServeFlags {
  ModelFlags model;
  ServeOptions options;
  std::string name;
  EngineOptions engine;
  uint32_t queue_seconds = 0;
  std::vector<std::string> alias_names;  // further names, without defaults of their own
  std::vector<ModelAlias> aliases;       // those, and the configuration file's table [aliases]
  ChatPolicy chat_policy;
  uint32_t body_megabytes_max = 64;
  uint32_t drain_seconds = 30;
  std::string log_format = "text";
  std::string log_level = "info";
};

// `flags` must live until the command has run.
void AddServeFlags(CLI::App& command, ServeFlags* flags);

// Sets the log up, reads the price card, and moves what has another unit into `flags->options`.
Status FinishServeFlags(ServeFlags* flags);

}  // namespace mimo
