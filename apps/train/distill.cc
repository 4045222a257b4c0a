// `mimo-train distill`.

#include <CLI/CLI.hpp>

#include "apps/train/train_command.h"

namespace mimo {

void AddDistillCommand(CLI::App& program, CommandAction* action) {
  CLI::App* command = program.add_subcommand("distill", "not implemented in this version");
  command->group("");  // not listed under --help
  command->allow_extras();
  command->callback([action] {
    *action = []() -> Status {
      return Unimplemented(
          "'distill' is not implemented in this version (mimo-train distill): see 'mimo-train --help' for "
          "what is");
    };
  });
}

}  // namespace mimo
