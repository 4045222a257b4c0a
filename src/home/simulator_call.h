#pragma once
// What the files of the simulator share: one call being executed, and the handlers by topic.

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "home/home.h"
#include "home/home_simulator.h"

namespace mimo {

// Non-owning. The arguments' names and types are already those of the tool's schema.
struct SimulatorCall {
  Home& home;
  const Json& arguments;
  const CallContext& context;

  bool Has(std::string_view key) const { return arguments.contains(key); }
  // Empty when absent.
  std::string Text(std::string_view key) const;
  std::optional<double> Number(std::string_view key) const;
  std::optional<bool> Flag(std::string_view key) const;
};

// Does what the call asks for. It leaves the home as it was when it answers ok = false.
using SimulatorHandler = ToolOutcome (*)(const SimulatorCall& call);

struct SimulatorTool {
  std::string_view name;
  SimulatorHandler handler;
};

// By topic; together they cover the catalogue.
std::span<const SimulatorTool> DeviceSimulatorTools();
std::span<const SimulatorTool> StateSimulatorTools();
std::span<const SimulatorTool> TimerSimulatorTools();
std::span<const SimulatorTool> MediaSimulatorTools();
std::span<const SimulatorTool> ListSimulatorTools();
std::span<const SimulatorTool> CarSimulatorTools();

ToolOutcome Failure(std::string text);
ToolOutcome Success(std::string text);

inline constexpr std::array<std::string_view, 1> kClimateDomain = {"climate"};

// The devices that the call's name, area, floor, domain and device_class select among `domains` (empty: any).
std::vector<size_t> SelectTargets(const SimulatorCall& call, std::span<const std::string_view> domains);
// The same, but a call without name, area and floor means the speaker's room where that has such a device.
std::vector<size_t> SelectNearTargets(const SimulatorCall& call, std::span<const std::string_view> domains);

// "no such device", with the name or place that was asked for.
ToolOutcome NoSuchDevice(const SimulatorCall& call);

// Carries out `change` on each target, which returns whether it changed something, and answers "done: names".
template <typename Change>
ToolOutcome ChangeTargets(Home& home, const std::vector<size_t>& targets, const Change& change) {
  ToolOutcome outcome{.ok = true, .text = "done: ", .changed = false};
  for (const size_t index : targets) {
    if (index != targets.front()) outcome.text += ", ";
    outcome.text += home.devices[index].name;
    if (change(home.devices[index])) outcome.changed = true;
  }
  return outcome;
}

// Both return whether the value differs from what it was.
bool SetState(HomeDevice& device, std::string_view state);
bool SetAttribute(HomeDevice& device, std::string_view key, Json value);

// Numbers may be written as text ("50"). Empty when the attribute is missing or no number.
std::optional<double> NumberAttribute(const HomeDevice& device, std::string_view key);
std::string TextAttribute(const HomeDevice& device, std::string_view key);

// At most two digits after the point, and no more than needed: "21.5", "22".
std::string NumberText(double value);
// Integers as integers: 22, 21.5.
Json NumberJson(double value);
std::optional<double> ParseNumber(std::string_view text);

}  // namespace mimo
