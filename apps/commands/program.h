#pragma once
// What every program of ours does around its commands: usage errors, the one line on stderr, exit codes.

#include <functional>

#include "apps/commands/command.h"
#include "base/status.h"

namespace mimo {

// Parses the arguments, then calls `prepare` and the chosen command's action, which parsing left in `action`.
// Returns the exit code: 0 success; 2 wrong usage or an error of `prepare`; 1 an error of the action or of
// stdout. Messages begin with the program's name.
int RunProgram(CLI::App& program, int argc, char** argv, const CommandAction& action,
               const std::function<Status()>& prepare);

}  // namespace mimo
