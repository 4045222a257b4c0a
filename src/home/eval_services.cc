#include "home/eval_services.h"

#include <algorithm>
#include <array>
#include <optional>

namespace mimo {
namespace {

struct ServiceRow {
  std::string_view verb;  // the service after its domain
  std::string_view tool;
};

// Verbs that mean the same in every domain that has them. A verb with several rows may be said in any of
// these ways.
constexpr std::array<ServiceRow, 14> kVerbs = {{
    {"turn_on", "HassTurnOn"},
    {"turn_off", "HassTurnOff"},
    {"lock", "HassTurnOn"},
    {"unlock", "HassTurnOff"},
    {"open_cover", "HassTurnOn"},
    {"close_cover", "HassTurnOff"},
    {"media_play", "HassMediaUnpause"},
    {"media_pause", "HassMediaPause"},
    {"media_stop", "HassMediaPause"},
    {"media_stop", "HassTurnOff"},
    {"media_next_track", "HassMediaNext"},
    {"media_previous_track", "HassMediaPrevious"},
    {"volume_mute", "HassMediaPlayerMute"},
    {"return_to_base", "HassVacuumReturnToBase"},
}};

struct StateRow {
  std::string_view verb;
  std::string_view state;
};

constexpr std::array<StateRow, 12> kStatesBefore = {{
    {"turn_on", "off"},
    {"turn_off", "on"},
    {"lock", "unlocked"},
    {"unlock", "locked"},
    {"open_cover", "closed"},
    {"close_cover", "open"},
    {"start", "docked"},
    {"return_to_base", "cleaning"},
    {"media_play", "paused"},
    {"media_pause", "playing"},
    {"media_stop", "playing"},
    {"stop", "cleaning"},
}};

struct KindRow {
  std::string_view kind;
  std::string_view domain;
  std::string_view device_class;
  std::string_view state;
};

constexpr std::array<KindRow, 18> kKinds = {{
    {"light", "light", "", "off"},
    {"switch", "switch", "", "off"},
    {"outlet", "switch", "outlet", "off"},
    {"fan", "fan", "", "off"},
    {"blinds", "cover", "blind", "closed"},
    {"garage_door", "cover", "garage", "closed"},
    {"garage", "cover", "garage", "closed"},
    {"cover", "cover", "", "closed"},
    {"lock", "lock", "", "locked"},
    {"media_player", "media_player", "", "idle"},
    {"smart-tv", "media_player", "tv", "idle"},
    {"vacuum", "vacuum", "", "docked"},
    {"climate", "climate", "", "heat"},
    {"hvac", "climate", "", "heat"},
    {"thermostat", "climate", "", "heat"},
    {"todo", "todo", "", "0"},
    {"timer", "timer", "", "active"},
    {"smart-speaker", "media_player", "speaker", "idle"},
}};

struct OrdinaryDevice {
  std::string_view kind;
  std::string_view name;
  std::string_view area;
};

constexpr std::array<OrdinaryDevice, 8> kOrdinaryDevices = {{
    {"light", "Reading Spot", "Study"},
    {"light", "Vanity", "Dressing Room"},
    {"switch", "Aquarium Pump", "Study"},
    {"fan", "Whirl", "Dressing Room"},
    {"cover", "Tall Drape", "Study"},
    {"lock", "Wardrobe", "Dressing Room"},
    {"media_player", "Gramophone", "Study"},
    {"climate", "Radiator", "Dressing Room"},
}};

struct NamesRow {
  std::string_view domain;
  std::array<std::string_view, 3> names;
};

constexpr std::array<NamesRow, 9> kNames = {{
    {"light", {"Nova", "Lumi", "Corona"}},
    {"switch", {"Kobo", "Relo", "Trig"}},
    {"fan", {"Zephyr", "Breezo", "Mistral"}},
    {"cover", {"Velum", "Persi", "Rollo"}},
    {"lock", {"Bastion", "Fort", "Cerbo"}},
    {"media_player", {"Sonora", "Boombo", "Melo"}},
    {"vacuum", {"Robby", "Dusto", "Sweepo"}},
    {"climate", {"Thermo", "Klima", "Tepid"}},
    {"todo", {"Alpha", "Beta", "Gamma"}},
}};
constexpr std::array<std::string_view, 3> kOtherNames = {"Quasar", "Pixo", "Tango"};

}  // namespace

std::vector<ServiceCall> CallsForService(std::string_view service) {
  const size_t dot = service.find('.');
  const std::string_view domain = service.substr(0, dot);
  const std::string_view verb = dot == std::string_view::npos ? "" : service.substr(dot + 1);
  if (service == "media_player.volume_up") return {{"HassSetVolumeRelative", {{"volume_step", "up"}}}};
  if (service == "media_player.volume_down") return {{"HassSetVolumeRelative", {{"volume_step", "down"}}}};
  if (service == "climate.set_temperature") {
    return {{"HassClimateSetTemperature", {{"temperature", nullptr}}}};
  }
  if (service == "todo.add_item") return {{"HassListAddItem", {{"item", nullptr}}}};
  if (service == "timer.start") return {{"HassStartTimer", {{"minutes", nullptr}}}};
  if (service == "timer.cancel") return {{"HassCancelTimer", Json::object()}};
  std::vector<ServiceCall> calls;
  if (service == "vacuum.start") calls.push_back({"HassVacuumStart", Json::object()});
  if (service == "vacuum.start") calls.push_back({"HassTurnOn", Json::object()});
  for (const ServiceRow& row : kVerbs) {
    if (row.verb == verb) calls.push_back({std::string(row.tool), Json::object()});
  }
  // A sentence that asks for a brightness or a color is labelled as turning on, too.
  if (domain == "light" && verb == "turn_on") {
    for (const char* key : {"brightness", "color", "temperature"}) {
      calls.push_back({"HassLightSet", {{key, nullptr}}});
    }
  }
  return calls;
}

std::string_view StateBefore(std::string_view service) {
  const std::string_view verb = service.substr(service.find('.') + 1);
  const auto found = std::find_if(kStatesBefore.begin(), kStatesBefore.end(),
                                  [verb](const StateRow& row) { return row.verb == verb; });
  return found == kStatesBefore.end() ? "" : found->state;
}

HomeDevice DeviceOfKind(std::string_view kind) {
  HomeDevice device;
  device.attributes = Json::object();
  // "light-dimmable" and the like begin with a kind.
  const auto fits = [kind](const KindRow& row) { return kind.starts_with(row.kind); };
  const auto* exact =
      std::find_if(kKinds.begin(), kKinds.end(), [kind](const KindRow& row) { return row.kind == kind; });
  const auto* row = exact != kKinds.end() ? exact : std::find_if(kKinds.begin(), kKinds.end(), fits);
  if (row == kKinds.end()) {
    device.domain = kind.empty() ? "switch" : std::string(kind);
    return device;
  }
  device.domain = row->domain;
  device.device_class = row->device_class;
  device.state = row->state;
  if (device.domain == "climate") device.attributes["current_temperature"] = 20;
  if (device.domain == "media_player") device.attributes["volume_level"] = 50;
  return device;
}

Home OrdinaryHome() {
  Home home;
  home.areas = {{"study", "Study", ""}, {"dressing_room", "Dressing Room", ""}};
  for (const OrdinaryDevice& ordinary : kOrdinaryDevices) {
    HomeDevice device = DeviceOfKind(ordinary.kind);
    device.name = ordinary.name;
    device.id = device.domain + "." + FoldName(device.name);
    std::replace(device.id.begin(), device.id.end(), ' ', '_');
    const auto area = std::find_if(home.areas.begin(), home.areas.end(),
                                   [&ordinary](const HomeArea& each) { return each.name == ordinary.area; });
    device.area_id = area->id;
    home.devices.push_back(std::move(device));
  }
  return home;
}

std::span<const std::string_view> PlaceholderNames(std::string_view domain) {
  for (const NamesRow& row : kNames) {
    if (row.domain == domain) return row.names;
  }
  return kOtherNames;
}

}  // namespace mimo
