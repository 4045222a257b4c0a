// What is switched, opened, locked and set.

#include <algorithm>
#include <array>
#include <cmath>

#include "home/simulator_call.h"

namespace mimo {
namespace {

enum class Power { kOn, kOff };

constexpr std::array<std::string_view, 7> kSwitchedDomains = {
    "light", "switch", "fan", "media_player", "climate", "input_boolean", "humidifier"};
// A room or floor alone means what is switched; doors and scenes are meant only where a call says so.
constexpr std::array<std::string_view, 17> kPowerDomains = {
    "light",      "switch",     "fan",    "media_player", "climate", "input_boolean",
    "humidifier", "automation", "cover",  "valve",        "blinds",  "garage_door",
    "lock",       "scene",      "script", "button",       "vacuum"};
constexpr std::array<std::string_view, 1> kLightDomain = {"light"};
constexpr std::array<std::string_view, 1> kFanDomain = {"fan"};
constexpr std::array<std::string_view, 1> kVacuumDomain = {"vacuum"};
constexpr std::array<std::string_view, 1> kMowerDomain = {"lawn_mower"};
constexpr std::array<std::string_view, 4> kCoverDomains = {"cover", "valve", "blinds", "garage_door"};

constexpr double kKelvinMin = 1000;
constexpr double kKelvinMax = 12000;
constexpr double kDegreesMin = -60;
constexpr double kDegreesMax = 250;  // Fahrenheit included

template <size_t N>
bool IsOneOf(const std::array<std::string_view, N>& domains, std::string_view domain) {
  return std::find(domains.begin(), domains.end(), domain) != domains.end();
}

bool IsPercent(double value) { return value >= 0 && value <= 100; }

// Whichever of the two names the device uses already.
bool SetPositionAttribute(HomeDevice& device, double position) {
  bool changed = false;
  for (const std::string_view key : {"position", "current_position"}) {
    if (device.attributes.contains(key) && SetAttribute(device, key, NumberJson(position))) changed = true;
  }
  return changed;
}

bool MoveCover(HomeDevice& device, double position) {
  const bool moved = SetState(device, position > 0 ? "open" : "closed");
  return SetPositionAttribute(device, position) || moved;
}

bool SwitchPower(HomeDevice& device, Power power) {
  const bool on = power == Power::kOn;
  const bool was_off = device.state == "off" || device.state.empty() || device.state == "unavailable";
  if (IsOneOf(kCoverDomains, device.domain)) return MoveCover(device, on ? 100 : 0);
  if (device.domain == "lock") return SetState(device, on ? "locked" : "unlocked");
  if (device.domain == "vacuum") return SetState(device, on ? "cleaning" : "docked");
  if (device.domain == "climate" && on) return was_off && SetState(device, "heat");
  if (device.domain == "media_player" && on) return was_off && SetState(device, "on");
  return SetState(device, on ? "on" : "off");
}

ToolOutcome SwitchTargets(const SimulatorCall& call, Power power) {
  const bool has_kind = call.Has("domain") || call.Has("device_class");
  const std::string name = FoldName(call.Text("name"));
  const bool has_name = !name.empty() && name != "all";
  if (!has_kind && !has_name && !call.Has("area") && !call.Has("floor")) {
    return Failure("missing argument: name, area, floor or domain");
  }
  std::vector<size_t> targets =
      has_kind || has_name ? SelectTargets(call, kPowerDomains) : SelectTargets(call, kSwitchedDomains);
  if (power == Power::kOff) {
    const auto only_starts = [&call](size_t index) {
      const std::string& domain = call.home.devices[index].domain;
      return domain == "scene" || domain == "button";
    };
    targets.erase(std::remove_if(targets.begin(), targets.end(), only_starts), targets.end());
  }
  if (targets.empty()) return NoSuchDevice(call);
  return ChangeTargets(call.home, targets,
                       [power](HomeDevice& device) { return SwitchPower(device, power); });
}

ToolOutcome TurnOn(const SimulatorCall& call) { return SwitchTargets(call, Power::kOn); }
ToolOutcome TurnOff(const SimulatorCall& call) { return SwitchTargets(call, Power::kOff); }

bool SetLight(HomeDevice& device, const SimulatorCall& call) {
  bool changed = false;
  const auto set = [&device, &changed](std::string_view key, Json value) {
    if (SetAttribute(device, key, std::move(value))) changed = true;
  };
  const std::optional<double> brightness = call.Number("brightness");
  const std::optional<double> temperature = call.Number("temperature");
  if (brightness) set("brightness", NumberJson(*brightness));
  if (call.Has("color")) {
    set("color", call.Text("color"));
    if (device.attributes.erase("color_temperature") > 0) changed = true;
  }
  if (temperature) {
    set("color_temperature", NumberJson(*temperature));
    if (device.attributes.erase("color") > 0) changed = true;
  }
  return SetState(device, brightness == 0.0 ? "off" : "on") || changed;
}

ToolOutcome LightSet(const SimulatorCall& call) {
  const std::optional<double> brightness = call.Number("brightness");
  const std::optional<double> temperature = call.Number("temperature");
  if (!brightness && !temperature && call.Text("color").empty()) {
    return Failure("missing argument: brightness, color or temperature");
  }
  if (brightness && !IsPercent(*brightness)) return Failure("brightness must be from 0 to 100");
  if (temperature && (*temperature < kKelvinMin || *temperature > kKelvinMax)) {
    return Failure("temperature must be from 1000 to 12000 kelvin");
  }
  const std::vector<size_t> targets = SelectNearTargets(call, kLightDomain);
  if (targets.empty()) return NoSuchDevice(call);
  return ChangeTargets(call.home, targets, [&call](HomeDevice& device) { return SetLight(device, call); });
}

ToolOutcome SetPosition(const SimulatorCall& call) {
  const std::optional<double> position = call.Number("position");
  if (!position) return Failure("missing argument: position");
  if (!IsPercent(*position)) return Failure("position must be from 0 to 100");
  const std::vector<size_t> targets = SelectNearTargets(call, kCoverDomains);
  if (targets.empty()) return NoSuchDevice(call);
  return ChangeTargets(call.home, targets, [&position](HomeDevice& device) {
    if (!device.attributes.contains("current_position") && !device.attributes.contains("position")) {
      SetAttribute(device, "position", -1);  // unknown so far
    }
    return MoveCover(device, *position);
  });
}

ToolOutcome FanSetSpeed(const SimulatorCall& call) {
  const std::optional<double> percentage = call.Number("percentage");
  if (!percentage) return Failure("missing argument: percentage");
  if (!IsPercent(*percentage)) return Failure("percentage must be from 0 to 100");
  const std::vector<size_t> targets = SelectNearTargets(call, kFanDomain);
  if (targets.empty()) return NoSuchDevice(call);
  return ChangeTargets(call.home, targets, [&percentage](HomeDevice& device) {
    const bool changed = SetAttribute(device, "percentage", NumberJson(*percentage));
    return SetState(device, *percentage > 0 ? "on" : "off") || changed;
  });
}

ToolOutcome ClimateSetTemperature(const SimulatorCall& call) {
  const std::optional<double> temperature = call.Number("temperature");
  if (!temperature) return Failure("missing argument: temperature");
  if (*temperature < kDegreesMin || *temperature > kDegreesMax) return Failure("temperature is out of range");
  const std::vector<size_t> targets = SelectNearTargets(call, kClimateDomain);
  if (targets.empty()) return NoSuchDevice(call);
  return ChangeTargets(call.home, targets, [&temperature](HomeDevice& device) {
    return SetAttribute(device, "temperature", NumberJson(*temperature));
  });
}

ToolOutcome SetMachineState(const SimulatorCall& call, std::span<const std::string_view> domains,
                            std::string_view state) {
  const std::vector<size_t> targets = SelectNearTargets(call, domains);
  if (targets.empty()) return NoSuchDevice(call);
  return ChangeTargets(call.home, targets, [state](HomeDevice& device) { return SetState(device, state); });
}

ToolOutcome VacuumStart(const SimulatorCall& call) {
  return SetMachineState(call, kVacuumDomain, "cleaning");
}
ToolOutcome VacuumDock(const SimulatorCall& call) { return SetMachineState(call, kVacuumDomain, "docked"); }
ToolOutcome MowerStart(const SimulatorCall& call) { return SetMachineState(call, kMowerDomain, "mowing"); }
ToolOutcome MowerDock(const SimulatorCall& call) { return SetMachineState(call, kMowerDomain, "docked"); }

// Here the area is what is to be cleaned, not where the vacuum stands.
ToolOutcome VacuumCleanArea(const SimulatorCall& call) {
  const std::string wanted = FoldName(call.Text("area"));
  if (wanted.empty()) return Failure("missing argument: area");
  const auto area = std::find_if(call.home.areas.begin(), call.home.areas.end(),
                                 [&wanted](const HomeArea& each) { return FoldName(each.name) == wanted; });
  if (area == call.home.areas.end()) return Failure("no such area: " + call.Text("area"));
  const std::vector<size_t> targets =
      SelectDevices(call.home, {.name = call.Text("name"), .domain = "vacuum"});
  if (targets.empty()) return NoSuchDevice(call);
  return ChangeTargets(call.home, {targets.front()}, [&area](HomeDevice& device) {
    const bool changed = SetAttribute(device, "cleaning_area", area->name);
    return SetState(device, "cleaning") || changed;
  });
}

constexpr std::array<SimulatorTool, 11> kDeviceTools = {{
    {"HassTurnOn", TurnOn},
    {"HassTurnOff", TurnOff},
    {"HassLightSet", LightSet},
    {"HassSetPosition", SetPosition},
    {"HassFanSetSpeed", FanSetSpeed},
    {"HassClimateSetTemperature", ClimateSetTemperature},
    {"HassVacuumStart", VacuumStart},
    {"HassVacuumReturnToBase", VacuumDock},
    {"HassVacuumCleanArea", VacuumCleanArea},
    {"HassLawnMowerStartMowing", MowerStart},
    {"HassLawnMowerDock", MowerDock},
}};

}  // namespace

std::span<const SimulatorTool> DeviceSimulatorTools() { return kDeviceTools; }

}  // namespace mimo
