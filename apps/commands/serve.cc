// `mimo serve`.

#include "server/serve.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <utility>

#include "apps/commands/command.h"
#include "apps/commands/config_file.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "weights/default_model.h"

namespace mimo {
namespace {

constexpr uint32_t kSequencesDefault = 16;

struct ServeFlags {
  ModelFlags model;
  ServeOptions options;
  std::string name;
  uint32_t sequences = kSequencesDefault;
};

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
  MIMO_ASSIGN_OR_RETURN(ModelSession session, OpenModelSession(flags.model, flags.sequences));
  loaded->checkpoint = std::move(session.checkpoint);
  ServedModel model;
  model.id = ModelName(flags);
  model.created_unix_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  model.chat_template = session.chat_template;
  // The model inside answers with calls, of which the likeliest is meant.
  if (flags.model.model.empty()) model.temperature_default = 0;
  model.tokenizer = std::move(session.tokenizer);
  model.engine = std::move(session.engine);
  return model;
}

Status ServeModel(const ServeFlags& flags) {
  MIMO_RETURN_IF_ERROR(RequireModel(flags.model));
  LoadedModel loaded;
  return Serve(flags.options, [&] { return LoadServedModel(flags, &loaded); });
}

}  // namespace

void AddServeCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = program.add_subcommand("serve", "the API server and its web page");
  AddModelFlags(*command, &flags->model);
  const auto add = [command](const std::string& name, auto& value, const std::string& help) {
    return command->add_option(name, value, help)->group(kServerGroup)->capture_default_str();
  };
  add("--host", flags->options.api.http.host, "address to listen on");
  add("--port", flags->options.api.http.port, "0: any free one")->check(CLI::Range(0, 65535));
  add("--model-name", flags->name, "name in the API; default: the checkpoint's file name");
  add("--sequences", flags->sequences, "requests that run at once")->check(CLI::Range(1, 512));
  command->callback([flags, action] { *action = [flags] { return ServeModel(*flags); }; });
}

}  // namespace mimo
