#include "apps/commands/config_file.h"

#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "base/mapped_file.h"

namespace mimo {
namespace {

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

Result<std::vector<std::string>> Values(const toml::node& node, std::string_view key) {
  std::vector<std::string> values;
  if (const toml::array* array = node.as_array()) {
    for (const toml::node& element : *array) {
      MIMO_ASSIGN_OR_RETURN(const std::vector<std::string> value, Values(element, key));
      values.insert(values.end(), value.begin(), value.end());
    }
    return values;
  }
  if (const auto* text = node.as_string()) return std::vector<std::string>{text->get()};
  if (const auto* integer = node.as_integer())
    return std::vector<std::string>{std::to_string(integer->get())};
  if (const auto* number = node.as_floating_point())
    return std::vector<std::string>{fmt::format("{}", number->get())};
  if (const auto* flag = node.as_boolean()) return std::vector<std::string>{flag->get() ? "true" : "false"};
  return InvalidArgument("key '{}' is neither text, number, flag nor a list of them", key);
}

Status ApplyTable(const toml::table& table, const CLI::App& program, CLI::App& command,
                  std::vector<const CLI::Option*>* done) {
  for (const auto& [toml_key, node] : table) {
    if (node.is_table()) continue;
    std::string key(toml_key.str());
    for (char& c : key) {
      if (c == '_') c = '-';
    }
    CLI::Option* option = FindOption(command, key);
    if (option == nullptr) {
      if (IsKnown(program, key)) continue;
      return InvalidArgument("unknown key '{}'", toml_key.str());
    }
    if (option->count() > 0) continue;  // set on the command line, by the environment or by a nearer table
    MIMO_ASSIGN_OR_RETURN(const std::vector<std::string> values, Values(node, key));
    try {
      option->add_result(values);
      option->run_callback();
    } catch (const CLI::Error& error) {
      return InvalidArgument("key '{}': {}", toml_key.str(), error.what());
    }
    done->push_back(option);
  }
  return {};
}

Result<toml::table> ParseToml(std::string_view text) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return InvalidArgument("line {}: {}", error.source().begin.line, error.description());
  }
}

Status ApplyText(std::string_view text, const CLI::App& program, CLI::App& command) {
  MIMO_ASSIGN_OR_RETURN(const toml::table file, ParseToml(text));
  std::vector<const CLI::Option*> done;
  for (const auto& [key, node] : file) {
    if (node.is_table() && !HasCommand(program, key.str())) {
      return InvalidArgument("unknown table '[{}]'", key.str());
    }
  }
  if (const toml::table* own = file[command.get_name()].as_table()) {
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
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, size_t{1} << 20));
  Status status = ApplyText(text, program, command);
  if (!status) {
    return MakeError(status.error().code, "{} ({}): correct the file", status.error().message, path);
  }
  return status;
}

}  // namespace mimo
