// `mimo serve`.

#include "server/serve.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/commands/command.h"
#include "apps/commands/model_session.h"
#include "apps/commands/serve_flags.h"

namespace mimo {
namespace {

Status ServeModel(ServeFlags& flags) {
  MIMO_RETURN_IF_ERROR(FinishServeFlags(&flags));
  MIMO_RETURN_IF_ERROR(RequireModel(flags.served.model));
  std::unique_ptr<Checkpoint> checkpoint;  // outlives the server, which lives inside Serve
  return Serve(flags.options, [&] { return LoadServedModel(flags.served, &checkpoint); });
}

}  // namespace

void AddServeCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = program.add_subcommand("serve", "the API server and its web page");
  AddServeFlags(*command, flags.get());
  command->callback([flags, action] { *action = [flags] { return ServeModel(*flags); }; });
}

}  // namespace mimo
