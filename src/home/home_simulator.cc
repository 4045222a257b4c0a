// A call is checked against the catalogue here; what it does is in simulator_<topic>.cc.

#include "home/home_simulator.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "home/home_tools.h"
#include "home/simulator_call.h"

namespace mimo {
namespace {

SimulatorHandler FindHandler(std::string_view name) {
  for (const auto tools : {DeviceSimulatorTools(), StateSimulatorTools(), TimerSimulatorTools(),
                           MediaSimulatorTools(), ListSimulatorTools(), CarSimulatorTools()}) {
    for (const SimulatorTool& tool : tools) {
      if (tool.name == name) return tool.handler;
    }
  }
  return nullptr;
}

bool HasType(const Json& value, const std::string& type) {
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string() || value.is_number();
  if (!value.is_number() || !std::isfinite(value.get<double>())) return false;
  return type == "number" || value.get<double>() == std::floor(value.get<double>());
}

// Empty when the arguments fit the tool's schema, or what is wrong with them.
std::string ArgumentError(const Json& arguments, const HomeTool& tool) {
  const Json& properties = tool.definition.parameters.at("properties");
  for (const auto& [name, value] : arguments.items()) {
    const auto schema = properties.find(name);
    if (schema == properties.end()) return "no such argument: " + name;
    const std::string type = schema->at("type").get<std::string>();
    if (!HasType(value, type)) return fmt::format("{} must be of type {}", name, type);
  }
  return "";
}

}  // namespace

ToolOutcome ApplyToolCall(Home& home, const ToolCall& call, const CallContext& context) {
  const HomeTool* tool = FindHomeTool(call.name);
  const SimulatorHandler handler = FindHandler(call.name);
  if (tool == nullptr || handler == nullptr) return Failure("no such tool: " + call.name);
  const Json arguments = call.arguments.is_null() ? Json::object() : call.arguments;
  if (!arguments.is_object()) return Failure("the arguments must be an object");
  if (std::string error = ArgumentError(arguments, *tool); !error.empty()) return Failure(std::move(error));
  return handler({home, arguments, context});
}

}  // namespace mimo
