#include "apps/commands/program.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

namespace mimo {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

void PrintError(const CLI::App& program, std::string message) {
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  fmt::print(stderr, "{}: error: {}\n", program.get_name(), message);
}

// "mimo run" once a command is known.
std::string CommandLineName(const CLI::App& program) {
  const auto chosen = program.get_subcommands();
  return chosen.empty() ? program.get_name() : program.get_name() + " " + chosen.front()->get_name();
}

}  // namespace

int RunProgram(CLI::App& program, int argc, char** argv, const CommandAction& action,
               const std::function<Status()>& prepare) {
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    const std::string name = CommandLineName(program);
    // CLI11 misses the command before it looks at a word that is none.
    const bool is_unknown = program.get_subcommands().empty() && argc > 1 && argv[1][0] != '-';
    const std::string what = is_unknown ? fmt::format("unknown command '{}'", argv[1]) : error.what();
    PrintError(program, fmt::format("{} ({}): see '{} --help'", what, name, name));
    return kExitUsage;
  }
  if (const Status status = prepare(); !status) {
    PrintError(program, status.error().message);
    return kExitUsage;
  }
  if (const Status status = action(); !status) {
    PrintError(program, status.error().message);
    return kExitFailure;
  }
  return std::fflush(stdout) == 0 ? 0 : kExitFailure;
}

}  // namespace mimo
