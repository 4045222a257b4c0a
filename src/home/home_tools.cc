#include "home/home_tools.h"

#include <algorithm>

#include "base/check.h"
#include "home/home_tools_asset.h"

namespace mimo {
namespace {

std::vector<HomeTool> ReadCatalogue() {
  const Result<Json> json = ParseJson(HomeToolsAsset());
  MIMO_CHECK(json && json->is_array());
  std::vector<HomeTool> catalogue;
  for (const Json& entry : *json) {
    HomeTool tool;
    const Json& function = entry.at("tool").at("function");
    tool.definition.name = function.at("name").get<std::string>();
    tool.definition.parameters = function.at("parameters");
    tool.definition.raw = entry.at("tool");
    tool.domains = entry.at("domains").get<std::vector<std::string>>();
    catalogue.push_back(std::move(tool));
  }
  return catalogue;
}

bool IsOffered(const HomeTool& tool, const Home& home) {
  if (tool.domains.empty() || home.devices.empty()) return true;
  return std::any_of(home.devices.begin(), home.devices.end(), [&tool](const HomeDevice& device) {
    return std::find(tool.domains.begin(), tool.domains.end(), device.domain) != tool.domains.end();
  });
}

}  // namespace

std::span<const HomeTool> HomeToolCatalogue() {
  static const std::vector<HomeTool> kCatalogue = ReadCatalogue();
  return kCatalogue;
}

const HomeTool* FindHomeTool(std::string_view name) {
  for (const HomeTool& tool : HomeToolCatalogue()) {
    if (tool.definition.name == name) return &tool;
  }
  return nullptr;
}

std::vector<ToolDefinition> HomeTools(const Home& home) {
  std::vector<ToolDefinition> tools;
  for (const HomeTool& tool : HomeToolCatalogue()) {
    if (IsOffered(tool, home)) tools.push_back(tool.definition);
  }
  return tools;
}

}  // namespace mimo
