#pragma once
// The commands of `mimo-train`, in the order in which a model is made. Each joins the program as those of
// `mimo` do, see apps/commands/command.h.

#include "apps/commands/command.h"

namespace mimo {

void AddTokenizerCommand(CLI::App& program, CommandAction* action);
void AddDataCommand(CLI::App& program, CommandAction* action);
void AddPretrainCommand(CLI::App& program, CommandAction* action);
void AddMtpCommand(CLI::App& program, CommandAction* action);
void AddSftCommand(CLI::App& program, CommandAction* action);
void AddDistillCommand(CLI::App& program, CommandAction* action);
void AddEvaluateCommand(CLI::App& program, CommandAction* action);

}  // namespace mimo
