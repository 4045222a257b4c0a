#include "server/tool_choice_field.h"

#include <utility>

namespace mimo {
namespace {

constexpr const char* kName = "tool_choice";

// The name stands in "function" or, flat, beside the type.
std::optional<std::string> FunctionName(const Json& object) {
  const auto holder = object.find("function");
  const Json& named = holder != object.end() && holder->is_object() ? *holder : object;
  const auto name = named.find("name");
  if (name == named.end() || !name->is_string() || name->get_ref<const std::string&>().empty())
    return std::nullopt;
  return name->get<std::string>();
}

void ReadAllowedTools(JsonFields& fields, const Json& choice, ReplyShape* shape) {
  const auto holder = choice.find("allowed_tools");
  const Json& allowed = holder != choice.end() ? *holder : choice;
  const auto tools = allowed.is_object() ? allowed.find("tools") : allowed.end();
  if (!allowed.is_object() || tools == allowed.end() || !tools->is_array()) {
    return fields.Fail(kName, "of type allowed_tools must have an array 'tools'");
  }
  const Json mode = allowed.value("mode", Json("auto"));
  if (mode != "auto" && mode != "required") {
    return fields.Fail(kName, "of type allowed_tools must have the mode \"auto\" or \"required\"");
  }
  if (mode == "required") shape->tool_use = ToolUse::kRequired;
  shape->allowed_tools.emplace();
  for (const Json& tool : *tools) {
    if (!tool.is_object()) return fields.Fail(kName, "must list its tools as objects");
    // Hosted tools have no name: the model has none of them anyway.
    if (const auto name = FunctionName(tool)) shape->allowed_tools->insert(*name);
  }
}

}  // namespace

void ReadToolChoice(JsonFields& fields, ReplyShape* shape) {
  const Json* choice = fields.Any(kName);
  if (choice == nullptr || *choice == "auto") return;
  if (*choice == "none") {
    shape->tool_use = ToolUse::kNone;
    return;
  }
  if (*choice == "required") {
    shape->tool_use = ToolUse::kRequired;
    return;
  }
  const auto type = choice->is_object() ? choice->find("type") : choice->end();
  if (!choice->is_object() || type == choice->end() || !type->is_string()) {
    return fields.Fail(kName, "must be \"none\", \"auto\", \"required\" or an object that names a function");
  }
  if (*type == "allowed_tools") return ReadAllowedTools(fields, *choice, shape);
  if (*type != "function" && *type != "custom") {
    return fields.Fail(kName, fmt::format("forces a tool of type '{}', which this server does not have",
                                          type->get_ref<const std::string&>()));
  }
  const std::optional<std::string> name = FunctionName(*choice);
  if (!name) return fields.Fail(kName, "must hold the function's 'name'");
  shape->tool_use = ToolUse::kRequired;
  shape->allowed_tools = {*name};
}

}  // namespace mimo
