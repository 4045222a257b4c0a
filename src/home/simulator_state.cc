// Questions about the home; nothing here changes it.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "home/device_state.h"
#include "home/simulator_call.h"

namespace mimo {
namespace {

constexpr size_t kDevicesListedMax = 20;  // keeps an answer short in a home of a hundred devices
constexpr std::array<std::string_view, 1> kWeatherDomain = {"weather"};

std::string NameList(const Home& home, const std::vector<size_t>& devices) {
  std::string names;
  for (size_t position = 0; position < devices.size(); ++position) {
    if (position > 0) names += ", ";
    if (position == kDevicesListedMax) return names + fmt::format("{} more", devices.size() - position);
    names += home.devices[devices[position]].name;
  }
  return names;
}

// What a device tells besides its state.
std::string Details(const HomeDevice& device) {
  std::string text;
  const auto add = [&device, &text](std::string_view key, std::string_view before, std::string_view after) {
    const std::optional<double> number = NumberAttribute(device, key);
    const std::string value = number ? NumberText(*number) : TextAttribute(device, key);
    if (!value.empty()) text += fmt::format(", {}{}{}", before, value, after);
  };
  if (device.domain == "light" && device.state == "on") {
    add("brightness", "brightness ", "");
    add("color", "", "");
    add("color_temperature", "", " K");
  }
  if (device.domain == "fan" && device.state == "on") add("percentage", "", "%");
  if (device.domain == "climate") {
    add("current_temperature", "now ", "");
    add("temperature", "set to ", "");
  }
  if (device.domain == "media_player") {
    add("media_title", "", "");
    add("volume_level", "volume ", "");
  }
  if (device.domain == "cover" || device.domain == "valve") add("position", "position ", "");
  return text;
}

// "on 2 of 5: Ceiling, Strip".
ToolOutcome CountInState(const Home& home, const std::vector<size_t>& devices, const std::string& state) {
  std::vector<size_t> matching;
  for (const size_t index : devices) {
    if (IsInState(home.devices[index], state)) matching.push_back(index);
  }
  std::string text = fmt::format("{} {} of {}", state, matching.size(), devices.size());
  if (!matching.empty()) text += ": " + NameList(home, matching);
  return Success(std::move(text));
}

// "open: Hatch, Window; closed: Door".
ToolOutcome GroupByState(const Home& home, const std::vector<size_t>& devices) {
  std::vector<std::pair<std::string, std::vector<size_t>>> groups;
  for (const size_t index : devices) {
    const std::string state = StateText(home.devices[index]);
    const auto found = std::find_if(groups.begin(), groups.end(),
                                    [&state](const auto& group) { return group.first == state; });
    if (found == groups.end()) {
      groups.push_back({state, {index}});
    } else {
      found->second.push_back(index);
    }
  }
  std::string text;
  for (size_t position = 0; position < groups.size(); ++position) {
    if (position > 0) text += "; ";
    if (position == kDevicesListedMax) {
      text += fmt::format("{} more states", groups.size() - position);
      break;
    }
    text += groups[position].first + ": " + NameList(home, groups[position].second);
  }
  return Success(std::move(text));
}

ToolOutcome GetState(const SimulatorCall& call) {
  const std::vector<size_t> devices = SelectTargets(call, {});
  if (devices.empty()) return NoSuchDevice(call);
  if (call.Has("state") && devices.size() > 1) return CountInState(call.home, devices, call.Text("state"));
  if (devices.size() > 1) return GroupByState(call.home, devices);
  const HomeDevice& device = call.home.devices[devices.front()];
  return Success(StateText(device) + Details(device));
}

// A thermostat's own thermometer, or a sensor of temperature, or empty.
std::string MeasuredTemperature(const HomeDevice& device) {
  const std::string unit = TextAttribute(device, "unit_of_measurement");
  std::optional<double> degrees = NumberAttribute(device, "current_temperature");
  if (!degrees) degrees = ParseNumber(device.state);
  if (!degrees) degrees = NumberAttribute(device, "temperature");
  if (!degrees) return "";
  return NumberText(*degrees) + " " + (unit.empty() ? "°C" : unit);
}

ToolOutcome ClimateGetTemperature(const SimulatorCall& call) {
  std::vector<size_t> devices = SelectNearTargets(call, kClimateDomain);
  if (devices.empty()) {
    const auto is_no_thermometer = [&call](size_t index) {
      const HomeDevice& device = call.home.devices[index];
      return device.domain != "sensor" || device.device_class != "temperature";
    };
    devices = SelectNearTargets(call, {});
    devices.erase(std::remove_if(devices.begin(), devices.end(), is_no_thermometer), devices.end());
  }
  if (devices.empty()) return NoSuchDevice(call);
  std::string text;
  for (const size_t index : devices) {
    const HomeDevice& device = call.home.devices[index];
    const std::string temperature = MeasuredTemperature(device);
    if (temperature.empty()) continue;
    if (devices.size() == 1) return Success(temperature);
    text += (text.empty() ? "" : "; ") + device.name + ": " + temperature;
  }
  return text.empty() ? Failure("the temperature is not known") : Success(std::move(text));
}

ToolOutcome GetWeather(const SimulatorCall& call) {
  const std::vector<size_t> devices = SelectTargets(call, kWeatherDomain);
  if (devices.empty()) return NoSuchDevice(call);
  const HomeDevice& device = call.home.devices[devices.front()];
  std::string condition = device.state;
  if (condition.empty()) condition = TextAttribute(device, "condition");
  if (condition.empty()) condition = "unknown";
  for (const std::string prefix : {"", "native_"}) {
    const std::optional<double> degrees = NumberAttribute(device, prefix + "temperature");
    if (!degrees) continue;
    const std::string unit = TextAttribute(device, prefix + "temperature_unit");
    return Success(fmt::format("{}, {} {}", condition, NumberText(*degrees), unit.empty() ? "°C" : unit));
  }
  return Success(std::move(condition));
}

ToolOutcome GetCurrentTime(const SimulatorCall& call) {
  constexpr int64_t kSecondsPerDay = 86400;
  const int64_t in_day = (call.context.unix_seconds % kSecondsPerDay + kSecondsPerDay) % kSecondsPerDay;
  return Success(fmt::format("{:02}:{:02}", in_day / 3600, in_day / 60 % 60));
}

ToolOutcome GetCurrentDate(const SimulatorCall& call) {
  constexpr std::array<std::string_view, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                         "Thursday", "Friday", "Saturday"};
  const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_seconds(std::chrono::seconds(call.context.unix_seconds)));
  const std::chrono::year_month_day date(day);
  return Success(fmt::format("{} {:04}-{:02}-{:02}", kWeekdays.at(std::chrono::weekday(day).c_encoding()),
                             static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                             static_cast<unsigned>(date.day())));
}

constexpr std::array<SimulatorTool, 5> kStateTools = {{
    {"HassGetState", GetState},
    {"HassClimateGetTemperature", ClimateGetTemperature},
    {"HassGetWeather", GetWeather},
    {"HassGetCurrentTime", GetCurrentTime},
    {"HassGetCurrentDate", GetCurrentDate},
}};

}  // namespace

std::span<const SimulatorTool> StateSimulatorTools() { return kStateTools; }

}  // namespace mimo
