// `mimo keys`: the file of API keys that `mimo serve --api-keys` reads.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "apps/commands/command.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "server/key_file.h"

namespace mimo {
namespace {

struct KeysFlags {
  std::string file;
  std::string name;
  uint64_t requests_per_minute = 0;
  uint64_t tokens_per_minute = 0;
  uint64_t concurrent = 0;
  int priority = 0;
  bool is_admin = false;
  // Whether a limit was given: 0 is one.
  CLI::Option* has_requests = nullptr;
  CLI::Option* has_tokens = nullptr;
  CLI::Option* has_concurrent = nullptr;
};

Status AddKey(const KeysFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(const std::string secret, NewKey());
  ApiKey key;
  key.name = flags.name;
  key.hash = HashOfKey(secret);
  if (flags.has_requests->count() > 0) key.limits.requests_per_minute = flags.requests_per_minute;
  if (flags.has_tokens->count() > 0) key.limits.tokens_per_minute = flags.tokens_per_minute;
  if (flags.has_concurrent->count() > 0) key.limits.concurrent = flags.concurrent;
  key.priority = flags.priority;
  key.is_admin = flags.is_admin;
  MIMO_RETURN_IF_ERROR(AddKeyToFile(flags.file, key));
  fmt::print("{}\n", secret);
  LogInfo("added '{}' ({}); its key is shown this once", key.name, flags.file);
  return {};
}

Status ListKeys(const KeysFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(flags.file));
  const auto keys = ParseKeyFile(text);
  if (!keys) return InvalidArgument("{} ({}): correct the file", keys.error().message, flags.file);
  for (const ApiKey& key : *keys) fmt::print("{}\n", FormatKeyLine(key));
  return {};
}

Status RemoveKey(const KeysFlags& flags) { return RemoveKeyFromFile(flags.file, flags.name); }

std::string CheckName(const std::string& name) {
  return IsKeyName(name) ? "" : "a name has at most 64 letters, digits, '-', '_', '.' and '@'";
}

using KeysAction = Status (*)(const KeysFlags&);

CLI::App* AddVerb(CLI::App& keys, const char* name, const char* help, KeysFlags* flags) {
  CLI::App* verb = keys.add_subcommand(name, help);
  verb->add_option("--file", flags->file, "the key file")->required();
  return verb;
}

}  // namespace

void AddKeysCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<KeysFlags>();
  CLI::App* keys = program.add_subcommand("keys", "API keys: add, ls, rm");
  keys->require_subcommand(1);
  const auto run = [flags, action](CLI::App* verb, KeysAction what) {
    verb->callback([flags, action, what] { *action = [flags, what] { return what(*flags); }; });
  };

  CLI::App* add = AddVerb(*keys, "add", "makes a key, shows it once and keeps its hash", flags.get());
  add->add_option("name", flags->name, "whose key it is")->required()->check(CheckName);
  flags->has_requests = add->add_option("--requests-per-minute", flags->requests_per_minute, "0: no limit");
  flags->has_tokens = add->add_option("--tokens-per-minute", flags->tokens_per_minute, "0: no limit");
  flags->has_concurrent = add->add_option("--concurrent", flags->concurrent, "at once; 0: no limit");
  add->add_option("--priority", flags->priority, "the highest its requests may have; higher goes first")
      ->check(CLI::Range(-100, 100));
  add->add_flag("--admin", flags->is_admin, "sees the usage of all keys");
  run(add, AddKey);
  run(AddVerb(*keys, "ls", "names, hashes and limits", flags.get()), ListKeys);
  CLI::App* remove = AddVerb(*keys, "rm", "a running server forgets the key within a second", flags.get());
  remove->add_option("name", flags->name, "whose key")->required();
  run(remove, RemoveKey);
}

}  // namespace mimo
