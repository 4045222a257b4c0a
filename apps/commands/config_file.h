#pragma once
// The TOML file given with --config: defaults for flags.
//
//   threads = 8            # for every command
//   [serve]
//   port = 9000            # for one command, before the line above
//
// A flag on the command line comes first, then its environment variable, then the file. What is no flag
// stands in tables of its own, [prices] and [aliases], which the commands that use them read.

#include <string>

#include "base/json.h"
#include "base/status.h"

namespace CLI {
class App;
}

namespace mimo {

// The groups whose options also read MIMO_<NAME> and the configuration file.
constexpr char kModelGroup[] = "Model";
constexpr char kServerGroup[] = "Server";

// Gives each option of those groups its environment variable, in all subcommands of `program`.
void AddEnvironmentVariables(CLI::App& program);

// Fills the options of `command` that neither the command line nor the environment set. A key that no command
// of `program` knows is kInvalidArgument, and so is a value that its option refuses.
Status ApplyConfigFile(const std::string& path, const CLI::App& program, CLI::App& command);

// One of the tables that are no flags, as JSON; null when the file has none or `path` is empty. The file was
// accepted by ApplyConfigFile.
Result<Json> ReadConfigTable(const std::string& path, const std::string& name);

}  // namespace mimo
