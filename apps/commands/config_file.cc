#include "apps/commands/config_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <vector>

#include "apps/commands/toml_json.h"
#include "base/mapped_file.h"

namespace mimo {
namespace {

constexpr size_t kFileBytesMax = size_t{1} << 20;
// Those that are no flags: see ReadConfigTable.
constexpr std::array<std::string_view, 2> kTables = {"aliases", "prices"};

bool IsConfigurable(const CLI::Option& option) {
  const std::string& group = option.get_group();
  return (group == kModelGroup || group == kServerGroup) && !option.get_lnames().empty();
}

// Null when the command has no such configurable option.
CLI::Option* FindOption(CLI::App& command, std::string_view key) {
  for (CLI::Option* option : command.get_options()) {
    if (IsConfigurable(*option) && option->get_lnames().front() == key) return option;
  }
  return nullptr;
}

bool IsKnown(const CLI::App& program, std::string_view key) {
  for (const CLI::App* command : program.get_subcommands(nullptr)) {
    for (const CLI::Option* option : command->get_options()) {
      if (IsConfigurable(*option) && option->get_lnames().front() == key) return true;
    }
  }
  return false;
}

bool HasCommand(const CLI::App& program, std::string_view name) {
  const auto commands = program.get_subcommands(nullptr);
  return std::any_of(commands.begin(), commands.end(),
                     [name](const CLI::App* command) { return command->get_name() == name; });
}

Result<std::vector<std::string>> Values(const Json& node, std::string_view key) {
  if (node.is_string()) return std::vector<std::string>{node.get<std::string>()};
  if (node.is_number() || node.is_boolean()) return std::vector<std::string>{node.dump()};
  if (!node.is_array())
    return InvalidArgument("key '{}' is neither text, number, flag nor a list of them", key);
  std::vector<std::string> values;
  for (const Json& element : node) {
    MIMO_ASSIGN_OR_RETURN(const std::vector<std::string> value, Values(element, key));
    values.insert(values.end(), value.begin(), value.end());
  }
  return values;
}

Status ApplyTable(const Json& table, const CLI::App& program, CLI::App& command,
                  std::vector<const CLI::Option*>* done) {
  for (const auto& [written_key, node] : table.items()) {
    if (node.is_object()) continue;
    std::string key = written_key;
    for (char& c : key) {
      if (c == '_') c = '-';
    }
    CLI::Option* option = FindOption(command, key);
    if (option == nullptr) {
      if (IsKnown(program, key)) continue;
      return InvalidArgument("unknown key '{}'", written_key);
    }
    if (option->count() > 0) continue;  // set on the command line, by the environment or by a nearer table
    MIMO_ASSIGN_OR_RETURN(const std::vector<std::string> values, Values(node, key));
    try {
      option->add_result(values);
      option->run_callback();
    } catch (const CLI::Error& error) {
      return InvalidArgument("key '{}': {}", written_key, error.what());
    }
    done->push_back(option);
  }
  return {};
}

Status ApplyText(std::string_view text, const CLI::App& program, CLI::App& command) {
  MIMO_ASSIGN_OR_RETURN(const Json file, ParseToml(text));
  std::vector<const CLI::Option*> done;
  for (const auto& [key, node] : file.items()) {
    const bool is_known = std::find(kTables.begin(), kTables.end(), key) != kTables.end();
    if (node.is_object() && !is_known && !HasCommand(program, key)) {
      return InvalidArgument("unknown table '[{}]'", key);
    }
  }
  const auto own = file.find(command.get_name());
  if (own != file.end() && own->is_object()) {
    for (const auto& [key, node] : own->items()) {
      if (node.is_object()) return InvalidArgument("unknown table '[{}.{}]'", command.get_name(), key);
    }
    MIMO_RETURN_IF_ERROR(ApplyTable(*own, program, command, &done));
  }
  return ApplyTable(file, program, command, &done);
}

}  // namespace

void AddEnvironmentVariables(CLI::App& program) {
  for (CLI::App* command : program.get_subcommands(nullptr)) {
    for (CLI::Option* option : command->get_options()) {
      if (!IsConfigurable(*option)) continue;
      std::string name = "MIMO_";
      for (const char c : option->get_lnames().front()) {
        name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      }
      option->envname(name);
    }
  }
}

Status ApplyConfigFile(const std::string& path, const CLI::App& program, CLI::App& command) {
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kFileBytesMax));
  Status status = ApplyText(text, program, command);
  if (!status) {
    return MakeError(status.error().code, "{} ({}): correct the file", status.error().message, path);
  }
  return status;
}

Result<Json> ReadConfigTable(const std::string& path, const std::string& name) {
  if (path.empty()) return Json();
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kFileBytesMax));
  MIMO_ASSIGN_OR_RETURN(Json file, ParseToml(text));
  const auto table = file.find(name);
  return table == file.end() ? Json() : std::move(*table);
}

}  // namespace mimo
