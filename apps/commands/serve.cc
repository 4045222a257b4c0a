// `mimo serve`.

#include "server/serve.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <utility>

#include "apps/commands/command.h"
#include "apps/commands/decorated_engine.h"
#include "apps/commands/model_session.h"
#include "apps/commands/serve_flags.h"
#include "weights/default_model.h"

namespace mimo {
namespace {

// The checkpoint outlives the engine that reads it: it is kept here and the server lives inside ServeModel.
struct LoadedModel {
  std::unique_ptr<Checkpoint> checkpoint;
};

std::string ModelName(const ServeFlags& flags) {
  if (!flags.name.empty()) return flags.name;
  if (flags.model.model.empty()) return kDefaultModelName;
  const std::filesystem::path path = std::filesystem::path(flags.model.model).lexically_normal();
  const std::filesystem::path last = path.has_filename() ? path : path.parent_path();
  return last.extension() == ".gguf" ? last.stem().string() : last.filename().string();
}

Result<ServedModel> LoadServedModel(const ServeFlags& flags, LoadedModel* loaded) {
  MIMO_ASSIGN_OR_RETURN(ModelSession session, OpenModelSession(flags.model, flags.engine));
  loaded->checkpoint = std::move(session.checkpoint);
  ServedModel model;
  model.id = ModelName(flags);
  model.created_unix_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  model.aliases = flags.aliases;
  model.policy = flags.chat_policy;
  model.chat_template = session.chat_template;
  // The model inside answers with calls, of which the likeliest is meant.
  if (flags.model.model.empty()) model.defaults.temperature = 0.0F;
  model.tokenizer = std::move(session.tokenizer);
  model.engine = DecoratedEngine(std::move(session.engine), *model.tokenizer);
  return model;
}

Status ServeModel(ServeFlags& flags) {
  MIMO_RETURN_IF_ERROR(FinishServeFlags(&flags));
  MIMO_RETURN_IF_ERROR(RequireModel(flags.model));
  LoadedModel loaded;
  return Serve(flags.options, [&] { return LoadServedModel(flags, &loaded); });
}

}  // namespace

void AddServeCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = program.add_subcommand("serve", "the API server and its web page");
  AddModelFlags(*command, &flags->model);
  AddServeFlags(*command, flags.get());
  command->callback([flags, action] { *action = [flags] { return ServeModel(*flags); }; });
}

}  // namespace mimo
