#pragma once
// What the files of TurnDrafter share.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/turn_drafter.h"

namespace mimo {

// A draft being made: each Bind step adds words and arguments, in any order.
struct TurnDrafter::Binding {
  const Situation& situation;
  const HomeView& view;
  Random& random;
  SlotWords words = {};
  Json arguments = Json::object();
  const HomeDevice* device = nullptr;
  std::string domain = {};
  std::string device_class = {};
  bool has_open_values = false;
  // Arguments that are said only if the phrase has the slot.
  std::vector<std::pair<std::string_view, std::string_view>> optional_arguments = {};  // slot, argument
};

}  // namespace mimo
