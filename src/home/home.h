#pragma once
// home/: a home as the assistant sees it: rooms, devices, the tools that command them.
//
//   homes file -> Home -> HomeSystemPrompt + HomeTools -> the model -> tool calls -> ApplyToolCall -> Home
//   changed
//
// The same code makes training conversations, evaluates, and runs the simulated home of the web page, so that
// a model meets at work exactly what it was trained on.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace mimo {

struct HomeFloor {
  std::string id;
  std::string name;
};

struct HomeArea {
  std::string id;
  std::string name;
  std::string floor_id;  // empty: on no floor
};

// A device, sensor, person, list, scene: what Home Assistant calls an entity.
struct HomeDevice {
  std::string id;            // "light.kitchen_ceiling"
  std::string name;          // as spoken
  std::string domain;        // "light"
  std::string device_class;  // "curtain"; may be empty
  std::string area_id;       // empty: in no room
  std::string state;         // "on", "open", "21.5"
  Json attributes;           // an object: brightness, color, position, unit_of_measurement, ...
};

struct HomeTimer {
  std::string name = {};  // may be empty
  std::string area_id = {};
  uint32_t seconds_total = 0;  // as started
  uint32_t seconds_left = 0;
  bool paused = false;
  std::string command = {};  // spoken when it ends; may be empty
};

struct Home {
  std::vector<HomeFloor> floors;
  std::vector<HomeArea> areas;
  std::vector<HomeDevice> devices;
  std::vector<HomeTimer> timers;

  const HomeFloor* FindFloor(std::string_view id) const;
  const HomeArea* FindArea(std::string_view id) const;
};

// Reads one home: {"floors": [{"id", "name"}], "areas": [{"id", "name", "floor"}], "entities": [{"id",
// "name", "domain", "device_class", "area", "state", "attributes"}], "timers": [...]}. Takes the forms that
// Home Assistant's test homes use: a missing domain is the id's part before the dot, a missing id is made of
// domain and name, `state` may be {"in", "out"}, names may be patterns ("lamp[s]", "(first|second)"), of
// which the first spelling counts, and device_class may stand in the attributes. kInvalidArgument names the
// field.
Result<Home> ParseHome(const Json& json);
Json HomeToJson(const Home& home);

// Which devices a call means. Empty fields select nothing away.
struct DeviceSelection {
  std::string name = {};  // a device's name; "all" is the same as none
  std::string area = {};  // a name of a room
  std::string floor = {};
  std::string domain = {};
  std::string device_class = {};
};

// Indexes into home.devices, ascending. Names compare without case and outer blanks. Where a name is given
// and fits no device exactly, nothing is selected.
std::vector<size_t> SelectDevices(const Home& home, const DeviceSelection& selection);

// Lower case for comparing (Unicode simple folding), outer blanks cut.
std::string FoldName(std::string_view name);

}  // namespace mimo
