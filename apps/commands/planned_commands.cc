#include <CLI/CLI.hpp>

#include "apps/commands/command.h"

namespace mimo {

void AddPlannedCommands(CLI::App& program, CommandAction* action) {
  for (const char* name : {"batch"}) {
    CLI::App* command = program.add_subcommand(name, "not implemented in this version");
    command->group("");  // not listed under --help
    command->allow_extras();
    command->callback([name, action] {
      *action = [name]() -> Status {
        return Unimplemented(
            "'{}' is not implemented in this version (mimo {}): see 'mimo --help' for what is", name, name);
      };
    });
  }
}

}  // namespace mimo
