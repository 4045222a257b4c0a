#include "data/home_generator.h"

#include <algorithm>
#include <set>

#include "data/rude_fragments.h"
#include "text/unicode.h"

namespace mimo {
namespace {

// How common a kind is in homes, and the states it may be in.
struct KindShare {
  std::string_view kind;
  double weight;
  std::string_view states;  // separated by blanks
};

constexpr KindShare kKinds[] = {
    {"light", 30, "on off"},
    {"switch", 9, "on off"},
    {"fan", 6, "on off"},
    {"lock", 5, "locked unlocked"},
    {"valve", 1.5, "open closed"},
    {"climate", 5, "heat cool off auto"},
    {"media_player", 7, "playing paused idle off"},
    {"vacuum", 2, "docked cleaning idle"},
    {"lawn_mower", 2, "docked mowing"},
    {"scene", 2.5, ""},
    {"script", 2, ""},
    {"todo", 2.5, "0"},
    {"weather", 1.5, "sunny cloudy partlycloudy rainy snowy fog windy"},
    {"person", 3.5, "home not_home"},
    {"car", 1.5, "idle charging driving"},
    {"cover.curtain", 4, "open closed"},
    {"cover.blind", 3, "open closed"},
    {"cover.shutter", 1.5, "open closed"},
    {"cover.awning", 0.7, "open closed"},
    {"cover.garage", 1.2, "open closed"},
    {"cover.gate", 0.8, "open closed"},
    {"cover.door", 0.7, "open closed"},
    {"cover.window", 1, "open closed"},
    {"cover.shade", 1.2, "open closed"},
    {"cover.damper", 0.3, "open closed"},
    {"sensor.temperature", 3, ""},
    {"sensor.humidity", 2, ""},
    {"sensor.battery", 1.2, ""},
    {"sensor.power", 1, ""},
    {"sensor.energy", 0.8, ""},
    {"sensor.carbon_dioxide", 0.8, ""},
    {"sensor.pm25", 0.5, ""},
    {"sensor.illuminance", 0.6, ""},
    {"sensor.pressure", 0.5, ""},
    {"sensor.wind_speed", 0.4, ""},
    {"sensor.weight", 0.4, ""},
    {"sensor.distance", 0.4, ""},
    {"sensor.duration", 0.4, ""},
    {"sensor.voltage", 0.2, ""},
    {"sensor.current", 0.2, ""},
    {"sensor.pm10", 0.2, ""},
    {"sensor.pm1", 0.2, ""},
    {"sensor.gas", 0.2, ""},
    {"sensor.volatile_organic_compounds", 0.2, ""},
    {"sensor.water", 0.2, ""},
    {"sensor.volume_storage", 0.2, ""},
    {"sensor.precipitation", 0.2, ""},
    {"sensor.signal_strength", 0.2, ""},
    {"sensor.speed", 0.2, ""},
    {"sensor.aqi", 0.2, ""},
    {"binary_sensor.window", 3, "on off"},
    {"binary_sensor.door", 2, "on off"},
    {"binary_sensor.opening", 0.5, "on off"},
    {"binary_sensor.garage_door", 0.7, "on off"},
    {"binary_sensor.lock", 0.6, "on off"},
    {"binary_sensor.motion", 1.8, "on off"},
    {"binary_sensor.occupancy", 0.9, "on off"},
    {"binary_sensor.presence", 0.7, "on off"},
    {"binary_sensor.moisture", 0.9, "on off"},
    {"binary_sensor.smoke", 0.9, "on off"},
    {"binary_sensor.gas", 0.5, "on off"},
    {"binary_sensor.carbon_monoxide", 0.5, "on off"},
    {"binary_sensor.battery", 0.9, "on off"},
    {"binary_sensor.battery_charging", 0.6, "on off"},
    {"binary_sensor.connectivity", 0.6, "on off"},
    {"binary_sensor.plug", 0.6, "on off"},
    {"binary_sensor.power", 0.6, "on off"},
    {"binary_sensor.running", 0.7, "on off"},
    {"binary_sensor.update", 0.5, "on off"},
    {"binary_sensor.vibration", 0.5, "on off"},
    {"binary_sensor.sound", 0.5, "on off"},
    {"binary_sensor.light", 0.4, "on off"},
    {"binary_sensor.heat", 0.4, "on off"},
    {"binary_sensor.cold", 0.4, "on off"},
    {"binary_sensor.problem", 0.5, "on off"},
    {"binary_sensor.safety", 0.4, "on off"},
    {"binary_sensor.tamper", 0.4, "on off"},
};

struct SensorScale {
  std::string_view device_class;
  std::string_view unit;
  uint32_t first;
  uint32_t last;
  bool tenths;
};

constexpr SensorScale kSensors[] = {
    {"temperature", "°C", 5, 32, true},
    {"humidity", "%", 20, 90, false},
    {"battery", "%", 1, 100, false},
    {"power", "W", 0, 3000, false},
    {"energy", "kWh", 0, 500, true},
    {"carbon_dioxide", "ppm", 400, 2000, false},
    {"pm25", "µg/m³", 1, 120, false},
    {"illuminance", "lx", 0, 5000, false},
    {"pressure", "hPa", 980, 1040, false},
    {"wind_speed", "km/h", 0, 90, false},
    {"weight", "kg", 1, 120, true},
    {"distance", "m", 1, 500, true},
    {"duration", "min", 1, 240, false},
    {"voltage", "V", 3, 240, true},
    {"current", "A", 0, 32, true},
    {"pm10", "µg/m³", 1, 150, false},
    {"pm1", "µg/m³", 1, 100, false},
    {"gas", "m³", 0, 900, true},
    {"volatile_organic_compounds", "µg/m³", 10, 900, false},
    {"water", "L", 0, 900, false},
    {"volume_storage", "L", 0, 3000, false},
    {"precipitation", "mm", 0, 60, true},
    {"signal_strength", "dBm", 20, 90, false},
    {"speed", "km/h", 0, 130, false},
    {"aqi", "", 5, 300, false},
};

// Kinds that stand in no room.
constexpr std::string_view kRoomless[] = {"scene", "script", "todo", "weather", "person", "car"};
// Of these a home has at most so many.
constexpr std::pair<std::string_view, size_t> kFewPerHome[] = {
    {"weather", 2}, {"car", 1}, {"todo", 4}, {"lawn_mower", 2}, {"vacuum", 2}};

// Kinds whose devices people name like those of another kind, most often because a plug feeds a lamp.
struct KindPair {
  std::string_view kind;
  std::string_view named_as;
  double share;
};
constexpr KindPair kNamedAs[] = {{"switch", "light", 0.25},
                                 {"switch", "fan", 0.08},
                                 {"light", "switch", 0.02},
                                 {"binary_sensor.door", "binary_sensor.window", 0.1},
                                 {"binary_sensor.window", "cover.window", 0.1},
                                 {"binary_sensor.opening", "binary_sensor.window", 0.15},
                                 {"binary_sensor.lock", "lock", 0.15},
                                 {"binary_sensor.lock", "binary_sensor.door", 0.15},
                                 {"binary_sensor.garage_door", "cover.garage", 0.15},
                                 {"cover.window", "binary_sensor.window", 0.1},
                                 {"binary_sensor.occupancy", "binary_sensor.motion", 0.1},
                                 {"binary_sensor.battery_charging", "binary_sensor.battery", 0.2},
                                 {"binary_sensor.update", "binary_sensor.battery", 0.1},
                                 {"binary_sensor.running", "switch", 0.15},
                                 {"binary_sensor.problem", "switch", 0.1},
                                 {"lock", "binary_sensor.door", 0.1}};

// Devices in rooms that are commanded by name.
constexpr std::string_view kCommanded[] = {"light",   "switch",       "fan",    "lock", "cover",
                                           "climate", "media_player", "vacuum", "valve"};

std::string_view DomainOf(std::string_view kind) { return kind.substr(0, kind.find('.')); }
std::string_view ClassOf(std::string_view kind) {
  const size_t dot = kind.find('.');
  return dot == std::string_view::npos ? std::string_view() : kind.substr(dot + 1);
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t blank = text.find(' ');
    if (blank != 0) words.push_back(text.substr(0, blank));
    text = blank == std::string_view::npos ? std::string_view() : text.substr(blank + 1);
  }
  return words;
}

char AsciiUpper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Tenths(Random& random, uint32_t first, uint32_t last) {
  return fmt::format("{}.{}", random.Between(first, last), random.Between(1, 9));
}

std::string RandomState(Random& random, std::string_view kind) {
  if (DomainOf(kind) == "sensor") {
    for (const SensorScale& scale : kSensors) {
      if (scale.device_class != ClassOf(kind)) continue;
      if (scale.tenths && random.Chance(0.7)) return Tenths(random, scale.first, scale.last);
      return fmt::format("{}", random.Between(scale.first, scale.last));
    }
  }
  for (const KindShare& share : kKinds) {
    if (share.kind == kind && !share.states.empty()) return std::string(random.Pick(Words(share.states)));
  }
  return "";
}

Json RandomAttributes(Random& random, std::string_view kind, std::string_view state) {
  Json attributes = Json::object();
  const std::string_view domain = DomainOf(kind);
  if (domain == "light") {
    if (state == "on") attributes["brightness"] = random.Between(1, 100);
  } else if (domain == "fan") {
    if (state == "on") attributes["percentage"] = random.Between(1, 100);
  } else if (domain == "cover" || domain == "valve") {
    attributes["position"] = state == "open" ? random.Between(1, 100) : 0;
  } else if (domain == "climate") {
    attributes["current_temperature"] = 10 + 0.5 * random.Between(0, 40);
    attributes["temperature"] = 15 + 0.5 * random.Between(0, 30);
  } else if (domain == "media_player") {
    attributes["volume_level"] = random.Between(5, 90);
  } else if (domain == "weather") {
    attributes["temperature"] = random.Between(0, 34);
    attributes["temperature_unit"] = "°C";
  } else if (domain == "car") {
    attributes["battery_level"] = random.Between(4, 100);
    attributes["charge_limit"] = 50 + 10 * random.Between(0, 5);
  } else if (domain == "sensor") {
    for (const SensorScale& scale : kSensors) {
      if (scale.device_class == ClassOf(kind)) attributes["unit_of_measurement"] = std::string(scale.unit);
    }
  }
  return attributes;
}

// 8 at the middle, a long tail to the right; none in one home of nine, as where a client lists nothing.
uint32_t DrawDeviceCount(Random& random, uint32_t devices_max) {
  const double draw = random.Unit();
  uint32_t count = 0;
  if (draw < 0.11) {
    count = 0;
  } else if (draw < 0.19) {
    count = 1;
  } else if (draw < 0.53) {
    count = random.Between(2, 8);
  } else if (draw < 0.80) {
    count = random.Between(9, 16);
  } else if (draw < 0.93) {
    count = random.Between(17, 40);
  } else {
    count = random.Between(41, std::max(41u, devices_max));
  }
  return std::min(count, devices_max);
}

}  // namespace

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = AsciiLower(c);
  return lower;
}

std::string FirstUpper(std::string_view text) {
  std::string upper(text);
  if (!upper.empty()) upper[0] = AsciiUpper(upper[0]);
  return upper;
}

std::string TitleCase(std::string_view text) {
  std::string title(text);
  for (size_t i = 0; i < title.size(); ++i) {
    if (i == 0 || title[i - 1] == ' ') title[i] = AsciiUpper(title[i]);
  }
  return title;
}

WordInventor::WordInventor(const LanguagePack& pack) : has_case_(pack.has_case) {
  if (has_case_) return;
  constexpr uint32_t kFirstIdeograph = 0x4E00;
  std::set<std::string> characters;
  Random random(1);
  const SlotFiller no_slots = [](std::string_view, std::string&) {};
  for (const std::string_view key : {"first_names", "places", "list_items", "messages"}) {
    for (const Phrase& phrase : pack.List(key)) {
      const std::string text = phrase.Expand(random, no_slots);
      for (size_t position = 0; position < text.size();) {
        const CodePoint code_point = DecodeUtf8(text, position);
        if (code_point.value != CodePoint::kInvalid && code_point.value >= kFirstIdeograph &&
            code_point.value < 0xA000) {
          characters.insert(text.substr(position, code_point.length));
        }
        position += code_point.length;
      }
    }
  }
  characters_.assign(characters.begin(), characters.end());
}

std::string WordInventor::Invent(Random& random) const {
  for (;;) {
    std::string word = Draw(random);
    if (!HoldsRudeFragment(word)) return word;
  }
}

std::string WordInventor::Draw(Random& random) const {
  if (!characters_.empty() && random.Chance(0.8)) {
    std::string word;
    for (uint32_t i = random.Between(2, 4); i > 0; --i) word += random.Pick(characters_);
    return word;
  }
  static constexpr std::string_view kOnsets[] = {"b",  "d",  "f",  "g",  "h",  "j",  "k",  "l",  "m",  "n",
                                                 "p",  "r",  "s",  "t",  "v",  "w",  "z",  "br", "cl", "dr",
                                                 "fl", "gr", "kn", "pl", "qu", "sh", "sk", "st", "th", "tr"};
  static constexpr std::string_view kVowels[] = {"a", "e", "i", "o", "u", "ai", "ee", "oo", "ou", "y"};
  static constexpr std::string_view kCodas[] = {"",  "",  "",  "l",  "m",  "n", "r",
                                                "s", "t", "x", "ck", "nd", "rp"};
  std::string word;
  for (uint32_t i = random.Between(1, 3); i > 0; --i) {
    word += random.Pick(kOnsets);
    word += random.Pick(kVowels);
    word += random.Pick(kCodas);
  }
  return word;
}

HomeGenerator::HomeGenerator(const LanguagePack& pack, uint32_t devices_max)
    : pack_(pack), devices_max_(devices_max), inventor_(pack) {
  for (const KindShare& share : kKinds) {
    if (pack.Device(share.kind) == nullptr || pack.Device(share.kind)->names.empty()) continue;
    kinds_.emplace_back(share.kind);
    kind_choice_.Add(share.weight);
  }
}

GeneratedHome HomeGenerator::Make(Random& random) const {
  GeneratedHome made;
  const uint32_t num_devices = kinds_.empty() ? 0 : DrawDeviceCount(random, devices_max_);
  AddPlaces(random, num_devices, made);
  for (uint32_t i = 0; i < num_devices; ++i) AddDevice(random, made);
  AddTimers(random, made.home);
  return made;
}

void HomeGenerator::AddPlaces(Random& random, uint32_t num_devices, GeneratedHome& made) const {
  Home& home = made.home;
  if (random.Chance(num_devices < 3 ? 0.4 : 0.04)) return;
  if (random.Chance(0.4)) {
    const auto num_floors = std::min<size_t>(pack_.floors.size(), random.Between(1, 4));
    const size_t first = random.Below(pack_.floors.size() - num_floors + 1);
    for (size_t i = 0; i < num_floors; ++i) {
      const auto& words = pack_.floors[first + i];
      const std::string& name = random.Chance(0.6) ? words.front() : random.Pick(words);
      home.floors.push_back({fmt::format("floor_{}", i), InCase(random, name)});
      made.floor_words.push_back(first + i);
    }
  }
  const uint32_t num_areas =
      random.Between(1 + std::min(8u, num_devices / 8), std::min(14u, 2 + num_devices / 2));
  std::set<std::string> taken;
  for (const HomeFloor& floor : home.floors) taken.insert(FoldName(floor.name));
  for (uint32_t i = 0; i < num_areas; ++i) {
    // Rooms that every home has come first in the pack.
    const size_t bound = random.Chance(0.5) ? std::min<size_t>(14, pack_.areas.size()) : pack_.areas.size();
    size_t index = random.Below(bound);
    std::string name = random.Chance(0.8) ? pack_.areas[index].front() : random.Pick(pack_.areas[index]);
    if (random.Chance(0.05)) {
      name = inventor_.Invent(random);
      index = GeneratedHome::kInvented;
    }
    const bool said =
        index != GeneratedHome::kInvented &&
        std::find(made.area_words.begin(), made.area_words.end(), index) != made.area_words.end();
    if (said || !taken.insert(FoldName(name)).second) continue;
    const bool on_floor = !home.floors.empty() && random.Chance(0.88);
    home.areas.push_back({fmt::format("area_{}", i), InCase(random, name),
                          on_floor ? random.Pick(home.floors).id : std::string()});
    made.area_words.push_back(index);
  }
}

std::string HomeGenerator::InCase(Random& random, std::string name) const {
  if (!pack_.has_case) return name;
  const double draw = random.Unit();
  if (draw < 0.78) return TitleCase(name);
  if (draw < 0.88) return FirstUpper(name);
  return draw < 0.97 ? name : LowerCase(name);
}

std::string HomeGenerator::DeviceName(Random& random, std::string_view kind, const std::string& area) const {
  const DeviceWords& words = *pack_.Device(kind);
  if (kind != "person" && random.Chance(0.12)) return inventor_.Invent(random);
  bool usable = true;
  const SlotFiller filler = [&](std::string_view slot, std::string& out) {
    if (slot == "area") {
      usable = !area.empty();
      out += area;
    } else if (slot == "person") {
      out += random.Pick(pack_.List("first_names")).Expand(random);
    } else {
      out += inventor_.Invent(random);
    }
  };
  for (int attempt = 0; attempt < 8; ++attempt) {
    usable = true;
    std::string name = random.Pick(words.names).Expand(random, filler);
    if (usable && !name.empty()) return name;
  }
  return inventor_.Invent(random);
}

// A name as a hub writes it, of what people say: "Ruth's lamp" is "hue ruths lamp 2".
std::string HomeGenerator::SystemsName(Random& random, const std::string& said) const {
  std::string name;
  for (const char c : LowerCase(said)) {
    if (c != '\'') name += c == '-' ? ' ' : c;
  }
  if (random.Chance(0.5)) {
    const std::string brand = random.Pick(pack_.List("brands")).Expand(random);
    name = (pack_.has_case ? LowerCase(brand) + " " : brand) + name;
  }
  if (random.Chance(0.25)) name += fmt::format("{}{}", pack_.has_case ? " " : "", random.Between(1, 3));
  return name;
}

std::string HomeGenerator::NameDevice(Random& random, std::string_view kind, const std::string& area,
                                      SpokenName& spoken) const {
  spoken = {.short_name = {}, .kind = std::string(kind)};
  for (const KindPair& pair : kNamedAs) {
    if (pair.kind == kind && random.Chance(pair.share) && pack_.Device(pair.named_as) != nullptr) {
      spoken.kind = pair.named_as;
    }
  }
  const bool commanded =
      std::find(std::begin(kCommanded), std::end(kCommanded), DomainOf(kind)) != std::end(kCommanded);
  const double draw = random.Unit();
  if (commanded && draw < 0.04 && !pack_.Device(spoken.kind)->singular.empty()) {
    return InCase(random, random.Pick(pack_.Device(spoken.kind)->singular).Expand(random));
  }
  // The room it stands in is its name, where the hub knows no rooms.
  const bool is_place = commanded && draw < 0.09;
  const std::string said =
      is_place ? random.Pick(random.Pick(pack_.areas)) : DeviceName(random, spoken.kind, area);
  if (draw > 0.93 || (is_place && random.Chance(0.5))) {
    std::string name = SystemsName(random, said);
    if (name != said) spoken.short_name = said;
    return name;
  }
  return InCase(random, said);
}

void HomeGenerator::AddDevice(Random& random, GeneratedHome& made) const {
  Home& home = made.home;
  // Now and then another of the kind before: homes have six lamps rather than one of each.
  std::string kind = kinds_[kind_choice_.Draw(random)];
  if (!home.devices.empty() && random.Chance(0.25)) {
    kind = DeviceKind(home.devices.back().domain, home.devices.back().device_class);
  }
  const std::string_view domain = DomainOf(kind);
  for (const auto& [few, most] : kFewPerHome) {
    const auto is_few = [few = few](const HomeDevice& device) { return device.domain == few; };
    if (domain == few &&
        static_cast<size_t>(std::count_if(home.devices.begin(), home.devices.end(), is_few)) >= most) {
      kind = "light";
    }
  }
  if (pack_.Device(kind) == nullptr) return;
  const bool roomless = std::find(std::begin(kRoomless), std::end(kRoomless), kind) != std::end(kRoomless);
  const HomeArea* area =
      home.areas.empty() || roomless || random.Chance(0.07) ? nullptr : &random.Pick(home.areas);
  HomeDevice device;
  device.domain = std::string(DomainOf(kind));
  device.device_class = std::string(ClassOf(kind));
  device.area_id = area == nullptr ? "" : area->id;
  device.state = RandomState(random, kind);
  device.attributes = RandomAttributes(random, kind, device.state);
  // The same name in two rooms, or of a door and its sensor, happens; twice the same would be nobody's home.
  const bool may_repeat = random.Chance(0.1);
  for (int attempt = 0; attempt < 10; ++attempt) {
    SpokenName spoken;
    device.name = NameDevice(random, kind, area == nullptr ? "" : area->name, spoken);
    const std::string folded = FoldName(device.name);
    const bool taken = std::any_of(home.devices.begin(), home.devices.end(), [&](const HomeDevice& other) {
      const bool other_kind = other.domain != device.domain || other.device_class != device.device_class;
      const bool repeats = may_repeat && (other_kind || other.area_id != device.area_id);
      return FoldName(other.name) == folded && !repeats;
    });
    const bool is_place = std::any_of(home.areas.begin(), home.areas.end(),
                                      [&](const HomeArea& other) { return FoldName(other.name) == folded; });
    if (taken || is_place) continue;
    device.id = fmt::format("{}.{}", device.domain, home.devices.size());
    if (device.domain == "todo") FillList(random, home, device);
    home.devices.push_back(std::move(device));
    made.spoken_names.push_back(std::move(spoken));
    return;
  }
}

// The first list of most homes is the one that shopping goes to.
void HomeGenerator::FillList(Random& random, const Home& home, HomeDevice& list) const {
  const auto is_list = [](const HomeDevice& device) { return device.domain == "todo"; };
  if (std::none_of(home.devices.begin(), home.devices.end(), is_list) && random.Chance(0.7)) {
    list.id = "todo.shopping_list";
  }
  Json items = Json::array();
  for (uint32_t i = random.Between(0, 6); i > 0; --i) {
    items.push_back(
        {{"summary", random.Pick(pack_.List("list_items")).Expand(random)}, {"status", "needs_action"}});
  }
  list.state = std::to_string(items.size());
  list.attributes["todo_items"] = std::move(items);
}

void HomeGenerator::AddTimers(Random& random, Home& home) const {
  if (random.Chance(0.35)) return;
  std::set<std::string> names;
  for (uint32_t i = random.Between(1, 4); i > 0; --i) {
    HomeTimer timer;
    if (random.Chance(0.5)) timer.name = random.Pick(pack_.List("timer_names")).Expand(random);
    if (!timer.name.empty() && !names.insert(timer.name).second) continue;
    if (!home.areas.empty() && random.Chance(0.6)) timer.area_id = random.Pick(home.areas).id;
    const double draw = random.Unit();
    if (draw < 0.45) {
      timer.seconds_total = 60 * random.Between(1, 90);
    } else if (draw < 0.65) {
      timer.seconds_total = random.Between(5, 90);
    } else {
      timer.seconds_total =
          3600 * random.Between(1, 12) + (random.Chance(0.5) ? 60 * random.Between(1, 59) : 0);
    }
    timer.seconds_left = random.Between(1, timer.seconds_total);
    timer.paused = random.Chance(0.2);
    home.timers.push_back(std::move(timer));
  }
}

}  // namespace mimo
