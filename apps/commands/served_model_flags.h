#pragma once
// The flags of commands that answer API requests: the model under its names, and what it does where servers
// differ.

#include <memory>
#include <string>
#include <vector>

#include "apps/commands/model_flags.h"
#include "base/status.h"
#include "engine/engine.h"
#include "server/served_model.h"
#include "weights/checkpoint.h"

namespace mimo {

struct ServedModelFlags {
  ModelFlags model;
  EngineOptions engine;
  std::string name;
  std::vector<std::string> alias_names;  // further names, without defaults of their own
  std::vector<ModelAlias> aliases;       // those, and the configuration file's table [aliases]
  ChatPolicy chat_policy;
};

// AddModelFlags is part of it. `flags` must live until the command has run.
void AddServedModelFlags(CLI::App& command, ServedModelFlags* flags);

// Reads the configuration file's aliases.
Status FinishServedModelFlags(ServedModelFlags* flags);

// `checkpoint` must outlive the result, whose engine reads it.
Result<ServedModel> LoadServedModel(const ServedModelFlags& flags, std::unique_ptr<Checkpoint>* checkpoint);

}  // namespace mimo
