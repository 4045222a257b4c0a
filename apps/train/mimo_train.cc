// The `mimo-train` program: parses flags and hands over to one command.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "apps/train/train_command.h"

namespace mimo {
namespace {

constexpr char kVersion[] = "mimo-train " MIMO_VERSION;
constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

void PrintError(std::string message) {
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  fmt::print(stderr, "mimo-train: error: {}\n", message);
}

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
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    const auto chosen = program.get_subcommands();
    const std::string name = chosen.empty() ? "mimo-train" : "mimo-train " + chosen.front()->get_name();
    PrintError(fmt::format("{} ({}): see '{} --help'", error.what(), name, name));
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
