// The first message of a conversation: what is where.

#include <algorithm>

#include "home/home_tools.h"

namespace mimo {
namespace {

// A name is one line's part, whatever was typed into it.
std::string OneLine(std::string_view name) {
  std::string text(name);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

// "light Ceiling, Floor Lamp; cover curtain Left Curtain", kinds in the order of their first device.
std::string DeviceList(const std::vector<const HomeDevice*>& devices) {
  std::vector<std::pair<std::string, std::string>> kinds;  // kind, names
  for (const HomeDevice* device : devices) {
    std::string kind = device->domain;
    if (!device->device_class.empty()) kind += " " + device->device_class;
    const auto found =
        std::find_if(kinds.begin(), kinds.end(), [&kind](const auto& entry) { return entry.first == kind; });
    if (found == kinds.end()) {
      kinds.emplace_back(kind, OneLine(device->name));
    } else {
      found->second += ", " + OneLine(device->name);
    }
  }
  std::string list;
  for (const auto& [kind, names] : kinds) {
    if (!list.empty()) list += "; ";
    list += OneLine(kind) + " " + names;
  }
  return list;
}

std::string Line(const std::string& place, const HomeFloor* floor,
                 const std::vector<const HomeDevice*>& devices) {
  std::string line = place;
  if (floor != nullptr) line += " (" + OneLine(floor->name) + ")";
  if (!devices.empty()) line += ": " + DeviceList(devices);
  return line + "\n";
}

std::string FloorAttribute(const HomeDevice& device) {
  const auto floor = device.attributes.find("floor");
  return floor != device.attributes.end() && floor->is_string() ? floor->get<std::string>() : "";
}

// Devices in no room: one line for each floor on which they stand, one for those on none.
std::string LinesWithoutRoom(const Home& home) {
  std::string lines;
  const auto add_line = [&](const HomeFloor* floor) {
    std::vector<const HomeDevice*> devices;
    for (const HomeDevice& device : home.devices) {
      const bool is_here = home.FindFloor(FloorAttribute(device)) == floor;
      if (home.FindArea(device.area_id) == nullptr && is_here) devices.push_back(&device);
    }
    if (!devices.empty()) lines += Line("no room", floor, devices);
  };
  for (const HomeFloor& floor : home.floors) add_line(&floor);
  add_line(nullptr);
  return lines;
}

bool HasRoom(const Home& home, const HomeFloor& floor) {
  return std::any_of(home.areas.begin(), home.areas.end(),
                     [&floor](const HomeArea& area) { return area.floor_id == floor.id; });
}

}  // namespace

std::string HomeSystemPrompt(const Home& home, const std::string& speaker_area) {
  std::string prompt;
  for (const HomeArea& area : home.areas) {
    std::vector<const HomeDevice*> devices;
    for (const HomeDevice& device : home.devices) {
      if (device.area_id == area.id) devices.push_back(&device);
    }
    prompt += Line(OneLine(area.name), home.FindFloor(area.floor_id), devices);
  }
  prompt += LinesWithoutRoom(home);
  for (const HomeFloor& floor : home.floors) {
    if (!HasRoom(home, floor)) prompt += "floor " + OneLine(floor.name) + "\n";
  }
  if (!speaker_area.empty()) prompt += "The speaker is in the " + OneLine(speaker_area) + ".\n";
  if (!prompt.empty()) prompt.pop_back();
  return prompt;
}

}  // namespace mimo
