// Homes as JSON. The forms of Home Assistant's test homes are many: every field may be missing, references
// are ids or names, and a name may be a pattern.

#include <fmt/format.h>

#include <algorithm>

#include "home/home.h"
#include "home/name_pattern.h"

namespace mimo {
namespace {

constexpr uint32_t kSecondsMax = 366 * 24 * 3600;  // of a timer

// The text of an optional field; empty when it is missing or null.
Result<std::string> TextField(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::string();
  if (!found->is_string()) return InvalidArgument("'{}.{}' must be a string", where, key);
  return found->get<std::string>();
}

Result<const Json*> ListField(const Json& object, const char* key) {
  static const Json kNone = Json::array();
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return &kNone;
  if (!found->is_array()) return InvalidArgument("'{}' must be a list", key);
  for (size_t index = 0; index < found->size(); ++index) {
    if (!(*found)[index].is_object()) return InvalidArgument("'{}[{}]' must be an object", key, index);
  }
  return &*found;
}

Result<uint32_t> SecondsField(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return 0;
  const bool is_count = found->is_number_integer() && (found->is_number_unsigned() || *found >= 0);
  if (!is_count || *found > kSecondsMax) {
    return InvalidArgument("'{}.{}' must be an integer from 0 to {}", where, key, kSecondsMax);
  }
  return found->get<uint32_t>();
}

// What an id or a name in `reference` means among `items`; nullptr when it is none of them.
template <typename Item>
const Item* FindByReference(const std::vector<Item>& items, const std::string& reference) {
  for (const Item& item : items) {
    if (item.id == reference) return &item;
  }
  const std::string folded = FoldName(FirstSpelling(reference));
  for (const Item& item : items) {
    if (FoldName(item.name) == folded) return &item;
  }
  return nullptr;
}

// A reference to what was not declared declares it.
template <typename Item>
std::string IdByReference(std::vector<Item>& items, const std::string& reference) {
  if (reference.empty()) return "";
  if (const Item* found = FindByReference(items, reference)) return found->id;
  Item item;
  item.id = reference;
  item.name = FirstSpelling(reference);
  items.push_back(std::move(item));
  return reference;
}

Status ParseFloors(const Json& json, Home& home) {
  MIMO_ASSIGN_OR_RETURN(const Json* floors, ListField(json, "floors"));
  for (size_t index = 0; index < floors->size(); ++index) {
    const std::string where = fmt::format("floors[{}]", index);
    HomeFloor floor;
    MIMO_ASSIGN_OR_RETURN(const std::string name, TextField((*floors)[index], "name", where));
    MIMO_ASSIGN_OR_RETURN(floor.id, TextField((*floors)[index], "id", where));
    if (name.empty()) return InvalidArgument("'{}.name' is missing", where);
    floor.name = FirstSpelling(name);
    if (floor.id.empty()) floor.id = name;
    home.floors.push_back(std::move(floor));
  }
  return {};
}

Status ParseAreas(const Json& json, Home& home) {
  MIMO_ASSIGN_OR_RETURN(const Json* areas, ListField(json, "areas"));
  for (size_t index = 0; index < areas->size(); ++index) {
    const std::string where = fmt::format("areas[{}]", index);
    HomeArea area;
    MIMO_ASSIGN_OR_RETURN(const std::string name, TextField((*areas)[index], "name", where));
    MIMO_ASSIGN_OR_RETURN(area.id, TextField((*areas)[index], "id", where));
    MIMO_ASSIGN_OR_RETURN(const std::string floor, TextField((*areas)[index], "floor", where));
    if (name.empty()) return InvalidArgument("'{}.name' is missing", where);
    area.name = FirstSpelling(name);
    if (area.id.empty()) area.id = name;
    area.floor_id = IdByReference(home.floors, floor);
    home.areas.push_back(std::move(area));
  }
  return {};
}

Result<std::string> StateText(const Json& entity, const std::string& where) {
  const auto found = entity.find("state");
  if (found == entity.end() || found->is_null()) return std::string();
  // {"in": as a person says it, "out": as the program knows it}.
  const bool is_pair = found->is_object() && found->contains("out");
  const Json& state = is_pair ? found->at("out") : *found;
  if (state.is_string()) return state.get<std::string>();
  if (state.is_boolean()) return std::string(state.get<bool>() ? "on" : "off");
  if (state.is_number()) return DumpJson(state);
  return InvalidArgument("'{}.state' must be a string, number, boolean or {{\"in\", \"out\"}}", where);
}

// "binary_sensor.BinarySensorDeviceClass.MOTION" is "motion".
std::string ShortClass(const std::string& device_class) {
  return FoldName(device_class.substr(device_class.rfind('.') + 1));
}

std::string UnusedId(const Home& home, const HomeDevice& device) {
  std::string base = device.domain + "." + FoldName(device.name);
  std::replace(base.begin(), base.end(), ' ', '_');
  const auto is_used = [&home](const std::string& id) {
    return std::any_of(home.devices.begin(), home.devices.end(),
                       [&id](const HomeDevice& other) { return other.id == id; });
  };
  std::string id = base;
  for (size_t number = 2; is_used(id); ++number) id = fmt::format("{}_{}", base, number);
  return id;
}

Status ParseAttributes(const Json& entity, const std::string& where, HomeDevice& device) {
  device.attributes = Json::object();
  const auto found = entity.find("attributes");
  if (found == entity.end() || found->is_null()) return {};
  if (!found->is_object()) return InvalidArgument("'{}.attributes' must be an object", where);
  device.attributes = *found;
  const auto device_class = device.attributes.find("device_class");
  if (device_class == device.attributes.end() || !device_class->is_string()) return {};
  if (device.device_class.empty()) device.device_class = ShortClass(device_class->get<std::string>());
  device.attributes.erase("device_class");
  return {};
}

Status ParseEntity(const Json& entity, const std::string& where, Home& home) {
  HomeDevice device;
  MIMO_ASSIGN_OR_RETURN(const std::string name, TextField(entity, "name", where));
  MIMO_ASSIGN_OR_RETURN(device.id, TextField(entity, "id", where));
  MIMO_ASSIGN_OR_RETURN(device.domain, TextField(entity, "domain", where));
  MIMO_ASSIGN_OR_RETURN(const std::string device_class, TextField(entity, "device_class", where));
  MIMO_ASSIGN_OR_RETURN(const std::string area, TextField(entity, "area", where));
  MIMO_ASSIGN_OR_RETURN(const std::string floor, TextField(entity, "floor", where));
  MIMO_ASSIGN_OR_RETURN(device.state, StateText(entity, where));
  const size_t dot = device.id.find('.');
  if (device.domain.empty() && dot != std::string::npos) device.domain = device.id.substr(0, dot);
  if (device.domain.empty()) return InvalidArgument("'{}' needs 'domain' or an 'id' with one", where);
  if (name.empty()) return InvalidArgument("'{}.name' is missing", where);
  device.name = FirstSpelling(name);
  device.device_class = ShortClass(device_class);
  MIMO_RETURN_IF_ERROR(ParseAttributes(entity, where, device));
  if (device.id.empty()) device.id = UnusedId(home, device);
  device.area_id = IdByReference(home.areas, area);
  if (!floor.empty()) device.attributes["floor"] = IdByReference(home.floors, floor);
  home.devices.push_back(std::move(device));
  return {};
}

// Either our own form or Home Assistant's: start_hours, start_minutes, start_seconds, total_seconds_left,
// is_active.
Status ParseTimer(const Json& json, const std::string& where, Home& home) {
  HomeTimer timer;
  MIMO_ASSIGN_OR_RETURN(timer.name, TextField(json, "name", where));
  MIMO_ASSIGN_OR_RETURN(timer.command, TextField(json, "command", where));
  MIMO_ASSIGN_OR_RETURN(const std::string area, TextField(json, "area", where));
  MIMO_ASSIGN_OR_RETURN(timer.seconds_total, SecondsField(json, "seconds_total", where));
  MIMO_ASSIGN_OR_RETURN(timer.seconds_left, SecondsField(json, "seconds_left", where));
  MIMO_ASSIGN_OR_RETURN(const uint32_t hours, SecondsField(json, "start_hours", where));
  MIMO_ASSIGN_OR_RETURN(const uint32_t minutes, SecondsField(json, "start_minutes", where));
  MIMO_ASSIGN_OR_RETURN(const uint32_t seconds, SecondsField(json, "start_seconds", where));
  MIMO_ASSIGN_OR_RETURN(const uint32_t left, SecondsField(json, "total_seconds_left", where));
  const uint64_t started = uint64_t{hours} * 3600 + uint64_t{minutes} * 60 + seconds;
  if (started > kSecondsMax) return InvalidArgument("'{}' is longer than {} seconds", where, kSecondsMax);
  if (timer.seconds_total == 0) timer.seconds_total = static_cast<uint32_t>(started);
  if (timer.seconds_left == 0) timer.seconds_left = left > 0 ? left : timer.seconds_total;
  timer.name = FirstSpelling(timer.name);
  timer.area_id = IdByReference(home.areas, area);
  const auto is_true = [&json](const char* key, bool missing) {
    const auto found = json.find(key);
    return found == json.end() || !found->is_boolean() ? missing : found->get<bool>();
  };
  timer.paused = is_true("paused", false) || !is_true("is_active", true);
  home.timers.push_back(std::move(timer));
  return {};
}

Json DeviceToJson(const HomeDevice& device) {
  Json json = {{"id", device.id}, {"name", device.name}, {"domain", device.domain}};
  if (!device.device_class.empty()) json["device_class"] = device.device_class;
  if (!device.area_id.empty()) json["area"] = device.area_id;
  json["state"] = device.state;
  if (device.attributes.is_object() && !device.attributes.empty()) json["attributes"] = device.attributes;
  return json;
}

Json TimerToJson(const HomeTimer& timer) {
  Json json = {{"name", timer.name},
               {"seconds_total", timer.seconds_total},
               {"seconds_left", timer.seconds_left},
               {"paused", timer.paused}};
  if (!timer.area_id.empty()) json["area"] = timer.area_id;
  if (!timer.command.empty()) json["command"] = timer.command;
  return json;
}

}  // namespace

Result<Home> ParseHome(const Json& json) {
  if (!json.is_object()) return InvalidArgument("a home must be an object");
  if (const auto inner = json.find("synthetic_home"); inner != json.end()) return ParseHome(*inner);
  Home home;
  MIMO_RETURN_IF_ERROR(ParseFloors(json, home));
  MIMO_RETURN_IF_ERROR(ParseAreas(json, home));
  MIMO_ASSIGN_OR_RETURN(const Json* entities, ListField(json, "entities"));
  for (size_t index = 0; index < entities->size(); ++index) {
    MIMO_RETURN_IF_ERROR(ParseEntity((*entities)[index], fmt::format("entities[{}]", index), home));
  }
  MIMO_ASSIGN_OR_RETURN(const Json* timers, ListField(json, "timers"));
  for (size_t index = 0; index < timers->size(); ++index) {
    MIMO_RETURN_IF_ERROR(ParseTimer((*timers)[index], fmt::format("timers[{}]", index), home));
  }
  return home;
}

Json HomeToJson(const Home& home) {
  Json json = {{"floors", Json::array()}, {"areas", Json::array()}, {"entities", Json::array()}};
  for (const HomeFloor& floor : home.floors) {
    json["floors"].push_back({{"id", floor.id}, {"name", floor.name}});
  }
  for (const HomeArea& area : home.areas) {
    Json entry = {{"id", area.id}, {"name", area.name}};
    if (!area.floor_id.empty()) entry["floor"] = area.floor_id;
    json["areas"].push_back(std::move(entry));
  }
  for (const HomeDevice& device : home.devices) json["entities"].push_back(DeviceToJson(device));
  if (home.timers.empty()) return json;
  json["timers"] = Json::array();
  for (const HomeTimer& timer : home.timers) json["timers"].push_back(TimerToJson(timer));
  return json;
}

}  // namespace mimo
