#include "home/simulator_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace mimo {
namespace {

constexpr double kIntegerMax = 1e15;  // beyond it a double has no digit after the point anyway

DeviceSelection SelectionOf(const SimulatorCall& call) {
  return {.name = call.Text("name"),
          .area = call.Text("area"),
          .floor = call.Text("floor"),
          .domain = call.Text("domain"),
          .device_class = call.Text("device_class")};
}

std::vector<size_t> SelectAmong(const Home& home, const DeviceSelection& selection,
                                std::span<const std::string_view> domains) {
  std::vector<size_t> selected = SelectDevices(home, selection);
  if (domains.empty()) return selected;
  const auto is_other = [&](size_t index) {
    return std::find(domains.begin(), domains.end(), home.devices[index].domain) == domains.end();
  };
  selected.erase(std::remove_if(selected.begin(), selected.end(), is_other), selected.end());
  return selected;
}

bool IsInteger(double value) { return std::abs(value) < kIntegerMax && value == std::floor(value); }

}  // namespace

std::string SimulatorCall::Text(std::string_view key) const {
  const auto found = arguments.find(key);
  if (found == arguments.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  return DumpJson(*found);
}

std::optional<double> SimulatorCall::Number(std::string_view key) const {
  const auto found = arguments.find(key);
  if (found == arguments.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::optional<bool> SimulatorCall::Flag(std::string_view key) const {
  const auto found = arguments.find(key);
  if (found == arguments.end() || !found->is_boolean()) return std::nullopt;
  return found->get<bool>();
}

ToolOutcome Failure(std::string text) { return {.ok = false, .text = std::move(text), .changed = false}; }

ToolOutcome Success(std::string text) { return {.ok = true, .text = std::move(text), .changed = false}; }

std::vector<size_t> SelectTargets(const SimulatorCall& call, std::span<const std::string_view> domains) {
  return SelectAmong(call.home, SelectionOf(call), domains);
}

std::vector<size_t> SelectNearTargets(const SimulatorCall& call, std::span<const std::string_view> domains) {
  DeviceSelection selection = SelectionOf(call);
  const bool names_none = selection.name.empty() || FoldName(selection.name) == "all";
  const bool has_place = !selection.area.empty() || !selection.floor.empty();
  if (names_none && !has_place && !call.context.speaker_area.empty()) {
    selection.area = call.context.speaker_area;
    std::vector<size_t> near = SelectAmong(call.home, selection, domains);
    if (!near.empty()) return near;
  }
  return SelectTargets(call, domains);
}

ToolOutcome NoSuchDevice(const SimulatorCall& call) {
  for (const std::string_view key : {"name", "area", "floor"}) {
    if (!call.Text(key).empty()) return Failure("no such device: " + call.Text(key));
  }
  return Failure("no such device");
}

bool SetState(HomeDevice& device, std::string_view state) {
  if (device.state == state) return false;
  device.state = state;
  return true;
}

bool SetAttribute(HomeDevice& device, std::string_view key, Json value) {
  if (!device.attributes.is_object()) device.attributes = Json::object();
  const auto found = device.attributes.find(key);
  if (found != device.attributes.end() && *found == value) return false;
  device.attributes[std::string(key)] = std::move(value);
  return true;
}

std::optional<double> NumberAttribute(const HomeDevice& device, std::string_view key) {
  const auto found = device.attributes.find(key);
  if (found == device.attributes.end()) return std::nullopt;
  if (found->is_number()) return found->get<double>();
  return found->is_string() ? ParseNumber(found->get_ref<const std::string&>()) : std::nullopt;
}

std::string TextAttribute(const HomeDevice& device, std::string_view key) {
  const auto found = device.attributes.find(key);
  return found != device.attributes.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string NumberText(double value) {
  if (IsInteger(value)) return fmt::format("{:.0f}", value);
  std::string text = fmt::format("{:.2f}", value);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

Json NumberJson(double value) {
  if (IsInteger(value)) return static_cast<int64_t>(value);
  return value;
}

std::optional<double> ParseNumber(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace mimo
