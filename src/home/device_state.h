#pragma once
// States as people say them. A window's sensor is "on" when the window is open; a player is "on" while it
// plays.

#include <string>
#include <string_view>

#include "home/home.h"

namespace mimo {

// True where "on" means open and "off" closed: the sensors of windows, doors and the like.
bool IsOpeningClass(std::string_view device_class);

// True if the device is in the state that `wanted` names.
bool IsInState(const HomeDevice& device, std::string_view wanted);

// The state with its unit, in the words above: "21.5 °C", "open".
std::string StateText(const HomeDevice& device);

}  // namespace mimo
