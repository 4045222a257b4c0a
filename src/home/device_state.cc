#include "home/device_state.h"

#include <algorithm>
#include <array>

#include "home/simulator_call.h"

namespace mimo {
namespace {

constexpr std::array<std::string_view, 5> kOpeningClasses = {"window", "door", "opening", "garage_door",
                                                             "garage"};
// States in which a device with more than two of them is not at work.
constexpr std::array<std::string_view, 6> kRestingStates = {"off",    "standby", "unavailable",
                                                            "docked", "unknown", ""};

bool IsResting(std::string_view state) {
  return std::find(kRestingStates.begin(), kRestingStates.end(), state) != kRestingStates.end();
}

std::string Canonical(const HomeDevice& device, std::string_view state) {
  std::string folded = FoldName(state);
  if (folded == "close" || folded == "shut") folded = "closed";
  if (folded == "away") folded = "not_home";
  if (device.domain == "binary_sensor" && folded == "open") return "on";
  if (device.domain == "binary_sensor" && folded == "closed") return "off";
  // Home Assistant's sensors of locks are "on" when unlocked.
  if (device.domain == "binary_sensor" && folded == "unlocked") return "on";
  if (device.domain == "binary_sensor" && folded == "locked") return "off";
  return folded;
}

}  // namespace

bool IsOpeningClass(std::string_view device_class) {
  return std::find(kOpeningClasses.begin(), kOpeningClasses.end(), device_class) != kOpeningClasses.end();
}

bool IsInState(const HomeDevice& device, std::string_view wanted) {
  const std::string state = Canonical(device, device.state);
  const std::string folded = Canonical(device, wanted);
  if (state == folded) return true;
  const bool has_many_states =
      device.domain == "media_player" || device.domain == "climate" || device.domain == "vacuum";
  if (has_many_states && folded == "on") return !IsResting(state);
  if (has_many_states && folded == "off") return IsResting(state);
  return false;
}

std::string StateText(const HomeDevice& device) {
  if (device.domain == "binary_sensor" && IsOpeningClass(device.device_class)) {
    if (device.state == "on") return "open";
    if (device.state == "off") return "closed";
  }
  if (device.domain == "binary_sensor" && device.device_class == "lock") {
    if (device.state == "on") return "unlocked";
    if (device.state == "off") return "locked";
  }
  std::string unit = TextAttribute(device, "unit_of_measurement");
  if (unit.empty()) unit = TextAttribute(device, "native_unit_of_measurement");
  if (unit.empty() || !ParseNumber(device.state)) return device.state.empty() ? "unknown" : device.state;
  return device.state + (unit == "%" ? "" : " ") + unit;
}

}  // namespace mimo
