#include "server/responses_tools.h"

#include <utility>

#include "base/log.h"
#include "text/given_fields.h"

namespace mimo {
namespace {

constexpr size_t kToolsMax = 4096;

// The syntax of a custom tool's input is all the model learns about it.
Result<std::string> CustomToolDescription(const Json& tool, const std::string& where) {
  MIMO_ASSIGN_OR_RETURN(std::string description, ReadString(tool, "description", where));
  const Json* format = FindGiven(tool, "format");
  if (format == nullptr || !format->is_object()) return description;
  MIMO_ASSIGN_OR_RETURN(const std::string definition, ReadString(*format, "definition", where + ".format"));
  MIMO_ASSIGN_OR_RETURN(const std::string syntax, ReadString(*format, "syntax", where + ".format"));
  if (definition.empty()) return description;
  if (!description.empty()) description += "\n\n";
  return description + fmt::format("The input must follow this {} grammar:\n{}", syntax, definition);
}

Json CustomToolParameters() {
  return Json{{"type", "object"},
              {"properties", {{kCustomToolInput, {{"type", "string"}}}}},
              {"required", Json::array({kCustomToolInput})}};
}

// Reads tools into a conversation.
class ToolsReader {
 public:
  explicit ToolsReader(ResponsesConversation* conversation) : conversation_(*conversation) {}

  Status ReadList(const Json& tools, const std::string& name_space, const std::string& where) {
    if (!tools.is_array()) return InvalidArgument("'{}' must be a list", where);
    for (size_t i = 0; i < tools.size(); ++i) {
      MIMO_RETURN_IF_ERROR(Read(tools[i], name_space, fmt::format("{}[{}]", where, i)));
    }
    return {};
  }

 private:
  Status Read(const Json& tool, const std::string& name_space, const std::string& where) {
    if (!tool.is_object()) return InvalidArgument("'{}' must be an object", where);
    MIMO_ASSIGN_OR_RETURN(const std::string type, ReadString(tool, "type", where));
    if (type == "function") return Add(tool, ResponsesTool::Kind::kFunction, name_space, where);
    if (type == "custom") return Add(tool, ResponsesTool::Kind::kCustom, name_space, where);
    if (type == "namespace" && name_space.empty()) return ReadNamespace(tool, where);
    LogInfo("skipping {}: this program has no tool of type '{}'", where, type);
    ++conversation_.chat.num_tools_skipped;
    return {};
  }

  Status ReadNamespace(const Json& tool, const std::string& where) {
    MIMO_ASSIGN_OR_RETURN(const std::string name, ReadString(tool, "name", where));
    if (name.empty()) return InvalidArgument("'{}.name' must be a string", where);
    const Json* tools = FindGiven(tool, "tools");
    return tools == nullptr ? Status() : ReadList(*tools, name, where + ".tools");
  }

  Status Add(const Json& tool, ResponsesTool::Kind kind, const std::string& name_space,
             const std::string& where) {
    if (conversation_.tools.size() == kToolsMax)
      return InvalidArgument("'{}': more than {} tools", where, kToolsMax);
    ResponsesTool entry{.kind = kind, .name = {}, .name_space = name_space};
    // Chat completions' form, with the fields one level deeper, is taken as well.
    const Json* function = FindGiven(tool, "function");
    const Json& fields = function != nullptr && function->is_object() ? *function : tool;
    MIMO_ASSIGN_OR_RETURN(entry.name, ReadString(fields, "name", where));
    if (entry.name.empty()) return InvalidArgument("'{}.name' must be a string", where);
    ToolDefinition definition;
    definition.name = FlatToolName(name_space, entry.name);
    Json raw{{"name", definition.name}};
    if (kind == ResponsesTool::Kind::kCustom) {
      MIMO_ASSIGN_OR_RETURN(definition.description, CustomToolDescription(tool, where));
      raw["description"] = definition.description;
      definition.parameters = CustomToolParameters();
      raw["parameters"] = definition.parameters;
    } else {
      MIMO_ASSIGN_OR_RETURN(definition.description, ReadString(fields, "description", where));
      if (FindGiven(fields, "description") != nullptr) raw["description"] = definition.description;
      if (const Json* parameters = FindGiven(fields, "parameters")) {
        if (!parameters->is_object()) return InvalidArgument("'{}.parameters' must be an object", where);
        definition.parameters = *parameters;
        raw["parameters"] = *parameters;
      }
    }
    definition.raw = Json{{"type", "function"}, {"function", std::move(raw)}};
    if (!conversation_.tools.emplace(definition.name, std::move(entry)).second) {
      return InvalidArgument("'{}.name': a second tool '{}'", where, definition.name);
    }
    conversation_.chat.tools.push_back(std::move(definition));
    return {};
  }

  ResponsesConversation& conversation_;
};

}  // namespace

Status ReadResponsesTools(const Json& body, ResponsesConversation* conversation) {
  const Json* tools = FindGiven(body, "tools");
  return tools == nullptr ? Status() : ToolsReader(conversation).ReadList(*tools, "", "tools");
}

std::string FlatToolName(const std::string& name_space, const std::string& name) {
  return name_space.empty() ? name : name_space + "." + name;
}

}  // namespace mimo
