#pragma once
// How a command joins the program: it adds a subcommand with its flags to the parser, and leaves what it does
// in `action` when that subcommand was chosen.
//
//   void AddTokenizeCommand(CLI::App& program, CommandAction* action) {
//     auto flags = std::make_shared<TokenizeFlags>();
//     CLI::App* command = program.add_subcommand("tokenize", "...");
//     command->add_option(...);
//     command->callback([flags, action] { *action = [flags] { return Tokenize(*flags); }; });
//   }
//
// The action runs after all flags, environment variables and the configuration file were read. Its error
// becomes the one line on stderr and exit code 1. Wrong usage is CLI11's to find (exit code 2), so syntax is
// checked by `check` on the option.

#include <functional>

#include "base/status.h"

namespace CLI {
class App;
}

namespace mimo {

using CommandAction = std::function<Status()>;

void AddServeCommand(CLI::App& program, CommandAction* action);
void AddRunCommand(CLI::App& program, CommandAction* action);
void AddChatCommand(CLI::App& program, CommandAction* action);
void AddInspectCommand(CLI::App& program, CommandAction* action);
void AddTokenizeCommand(CLI::App& program, CommandAction* action);
void AddDetokenizeCommand(CLI::App& program, CommandAction* action);
void AddTemplateCommand(CLI::App& program, CommandAction* action);
void AddLogitsCommand(CLI::App& program, CommandAction* action);
void AddPerplexityCommand(CLI::App& program, CommandAction* action);
void AddSynthCommand(CLI::App& program, CommandAction* action);
void AddQuantizeCommand(CLI::App& program, CommandAction* action);
void AddImatrixCommand(CLI::App& program, CommandAction* action);
void AddBenchCommand(CLI::App& program, CommandAction* action);
void AddEvalCommand(CLI::App& program, CommandAction* action);
void AddKeysCommand(CLI::App& program, CommandAction* action);
void AddReplayCommand(CLI::App& program, CommandAction* action);
void AddCacheCommand(CLI::App& program, CommandAction* action);
void AddBatchCommand(CLI::App& program, CommandAction* action);

}  // namespace mimo
