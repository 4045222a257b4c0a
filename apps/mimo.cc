// The `mimo` program: parses flags and hands over to one command.

#include <CLI/CLI.hpp>
#include <string>

#include "apps/commands/command.h"
#include "apps/commands/config_file.h"
#include "apps/commands/program.h"

namespace mimo {
namespace {

constexpr char kVersion[] = "mimo " MIMO_VERSION;

void AddCommands(CLI::App& program, CommandAction* action) {
  AddServeCommand(program, action);
  AddRunCommand(program, action);
  AddChatCommand(program, action);
  AddInspectCommand(program, action);
  AddTokenizeCommand(program, action);
  AddDetokenizeCommand(program, action);
  AddTemplateCommand(program, action);
  AddLogitsCommand(program, action);
  AddPerplexityCommand(program, action);
  AddSynthCommand(program, action);
  AddQuantizeCommand(program, action);
  AddImatrixCommand(program, action);
  AddBenchCommand(program, action);
  AddEvalCommand(program, action);
  AddKeysCommand(program, action);
  AddReplayCommand(program, action);
  AddCacheCommand(program, action);
  AddBatchCommand(program, action);
}

Status ReadConfigFile(const CLI::App& program) {
  CLI::App* command = program.get_subcommands().front();
  const CLI::Option* option = command->get_option_no_throw("--config");
  if (option == nullptr || option->count() == 0) return {};
  return ApplyConfigFile(option->as<std::string>(), program, *command);
}

int Main(int argc, char** argv) {
  CLI::App program("Inference for MiMo-V2 models.", "mimo");
  program.set_version_flag("--version", kVersion);
  program.require_subcommand(1);
  CommandAction action;
  AddCommands(program, &action);
  AddEnvironmentVariables(program);
  return RunProgram(program, argc, argv, action, [&program] { return ReadConfigFile(program); });
}

}  // namespace
}  // namespace mimo

int main(int argc, char** argv) { return mimo::Main(argc, argv); }
