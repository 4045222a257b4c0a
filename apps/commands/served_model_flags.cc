#include "apps/commands/served_model_flags.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <utility>

#include "apps/commands/byte_size.h"
#include "apps/commands/config_file.h"
#include "apps/commands/decorated_engine.h"
#include "apps/commands/model_session.h"
#include "weights/default_model.h"

namespace mimo {
namespace {

std::string ServedName(const ServedModelFlags& flags) {
  if (!flags.name.empty()) return flags.name;
  if (flags.model.model.empty()) return kDefaultModelName;
  const std::filesystem::path path = std::filesystem::path(flags.model.model).lexically_normal();
  const std::filesystem::path last = path.has_filename() ? path : path.parent_path();
  return last.extension() == ".gguf" ? last.stem().string() : last.filename().string();
}

void AddPolicyFlags(CLI::App& command, ChatPolicy* policy) {
  const auto add = [&command](const std::string& name, bool& value, const std::string& help) {
    command.add_flag(name, value, help)->group(kServerGroup);
  };
  add("--strict-reasoning-replay", policy->strict_reasoning_replay,
      "refuse turns with tool calls that come back without their reasoning, as Xiaomi's platform does");
  add("--platform-sampling", policy->platform_sampling,
      "when thinking, temperature 1 and top_p 0.95 whatever the request says, as the platform");
  add("--reasoning-field", policy->reasoning_field,
      "repeat reasoning_content under vLLM's newer name 'reasoning'");
}

}  // namespace

void AddServedModelFlags(CLI::App& command, ServedModelFlags* flags) {
  AddModelFlags(command, &flags->model);
  const auto add = [&command](const std::string& name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->group(kServerGroup)->capture_default_str();
  };
  add("--model-name", flags->name, "name in the API; default: the checkpoint's file name");
  add("--alias", flags->alias_names, "a further name in the API, or a pattern such as 'claude-*'; repeatable")
      ->allow_extra_args(false)  // what follows it may be a file
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  AddPolicyFlags(command, &flags->chat_policy);
  add("--sequences", flags->engine.sequences_max, "requests that run at once")->check(CLI::Range(1, 512));
}

Status FinishServedModelFlags(ServedModelFlags* flags) {
  MIMO_ASSIGN_OR_RETURN(const Json aliases, ReadConfigTable(flags->model.config, "aliases"));
  Result<std::vector<ModelAlias>> parsed = ParseAliases(aliases);
  if (!parsed)
    return InvalidArgument("{} ({}): correct the file", parsed.error().message, flags->model.config);
  for (const std::string& name : flags->alias_names) flags->aliases.push_back({.name = name});
  flags->aliases.insert(flags->aliases.end(), parsed->begin(), parsed->end());
  return {};
}

Result<ServedModel> LoadServedModel(const ServedModelFlags& flags, std::unique_ptr<Checkpoint>* checkpoint) {
  MIMO_ASSIGN_OR_RETURN(ModelSession session, OpenModelSession(flags.model, flags.engine));
  *checkpoint = std::move(session.checkpoint);
  ServedModel model;
  model.id = ServedName(flags);
  model.created_unix_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  model.aliases = flags.aliases;
  model.policy = flags.chat_policy;
  model.chat_template = session.chat_template;
  // The model inside answers with calls, of which the likeliest is meant.
  if (flags.model.model.empty()) model.defaults.temperature = 0.0F;
  model.tokenizer = std::move(session.tokenizer);
  MIMO_ASSIGN_OR_RETURN(const uint64_t cache_bytes_max, ParseByteSize(flags.model.cache_disk));
  KeepSampledTurns(*session.engine, cache_bytes_max, &model);
  model.engine = DecoratedEngine(std::move(session.engine), *model.tokenizer);
  return model;
}

}  // namespace mimo
