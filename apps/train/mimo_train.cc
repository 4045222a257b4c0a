// The `mimo-train` program: parses flags and hands over to one command.

#include <CLI/CLI.hpp>

#include "apps/commands/program.h"
#include "apps/train/train_command.h"

namespace mimo {
namespace {

constexpr char kVersion[] = "mimo-train " MIMO_VERSION;

int Main(int argc, char** argv) {
  CLI::App program("Makes small MiMo models: data, tokenizer, training.", "mimo-train");
  program.set_version_flag("--version", kVersion);
  program.require_subcommand(1);
  CommandAction action;
  AddTokenizerCommand(program, &action);
  AddDataCommand(program, &action);
  AddPretrainCommand(program, &action);
  AddMtpCommand(program, &action);
  AddSftCommand(program, &action);
  AddDistillCommand(program, &action);
  AddEvaluateCommand(program, &action);
  return RunProgram(program, argc, argv, action, [] { return Status(); });
}

}  // namespace
}  // namespace mimo

int main(int argc, char** argv) { return mimo::Main(argc, argv); }
