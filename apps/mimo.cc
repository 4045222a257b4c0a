// The `mimo` program: parses flags and hands over to one command.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "apps/commands/command.h"
#include "apps/commands/config_file.h"

namespace mimo {
namespace {

constexpr char kVersion[] = "mimo " MIMO_VERSION;
constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

void PrintError(std::string message) {
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  fmt::print(stderr, "mimo: error: {}\n", message);
}

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
  AddEvalCommand(program, action);
  AddPlannedCommands(program, action);
}

// "mimo run" once a command is known.
std::string CommandLineName(const CLI::App& program) {
  const auto chosen = program.get_subcommands();
  return chosen.empty() ? "mimo" : "mimo " + chosen.front()->get_name();
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
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    const std::string name = CommandLineName(program);
    // CLI11 misses the command before it looks at a word that is none.
    const bool is_unknown = program.get_subcommands().empty() && argc > 1 && argv[1][0] != '-';
    const std::string what = is_unknown ? fmt::format("unknown command '{}'", argv[1]) : error.what();
    PrintError(fmt::format("{} ({}): see '{} --help'", what, name, name));
    return kExitUsage;
  }
  if (const Status status = ReadConfigFile(program); !status) {
    PrintError(status.error().message);
    return kExitUsage;
  }
  const Status status = action();
  if (!status) {
    PrintError(status.error().message);
    return kExitFailure;
  }
  return std::fflush(stdout) == 0 ? 0 : kExitFailure;
}

}  // namespace
}  // namespace mimo

int main(int argc, char** argv) { return mimo::Main(argc, argv); }
