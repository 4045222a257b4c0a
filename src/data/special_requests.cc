#include "data/special_requests.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "text/unicode.h"

namespace mimo {
namespace {

constexpr size_t kOptionsNamed = 5;

// Words, or pairs of characters where words are not told apart.
std::vector<std::string> NameParts(const std::string& name, bool has_case) {
  std::vector<std::string> parts;
  if (has_case) {
    for (size_t begin = 0; begin < name.size();) {
      const size_t end = std::min(name.find(' ', begin), name.size());
      if (end > begin) parts.push_back(name.substr(begin, end - begin));
      begin = end + 1;
    }
    return parts;
  }
  size_t previous = 0;
  for (size_t position = 0; position < name.size();) {
    const size_t end = position + DecodeUtf8(name, position).length;
    if (position > 0) parts.push_back(name.substr(previous, end - previous));
    previous = std::exchange(position, end);
  }
  if (parts.empty()) parts.push_back(name);
  return parts;
}

}  // namespace

std::string DrawAbsentName(const ConversationLanguage& language, const HomeView& view, Random& random) {
  constexpr std::array<std::string_view, 12> kKinds = {
      "light",       "switch",        "fan",          "lock",         "climate", "media_player",
      "cover.blind", "cover.curtain", "cover.garage", "cover.awning", "valve",   "vacuum"};
  if (view.lower_names.empty()) return "";
  const std::string_view kind = random.Pick(kKinds);
  if (language.pack.Device(kind) == nullptr) return "";
  const std::string_view domain = kind.substr(0, kind.find('.'));
  const bool is_absent = std::none_of(view.home.devices.begin(), view.home.devices.end(),
                                      [&](const HomeDevice& device) { return device.domain == domain; });
  std::string name;
  if (is_absent && random.Chance(0.4)) {
    name = language.drafter.Singular(kind, random);
  } else {
    // Where the home has the kind, "kitchen light" could mean what is in the kitchen.
    const bool with_room = is_absent && !view.home.areas.empty();
    name = LowerCase(
        language.homes.DeviceName(random, kind, with_room ? random.Pick(view.home.areas).name : ""));
  }
  for (const std::string& other : view.lower_names) {
    if (name.find(other) != std::string::npos || other.find(name) != std::string::npos) return "";
  }
  for (const HomeArea& area : view.home.areas) {
    if (!is_absent && name.find(LowerCase(area.name)) != std::string::npos) return "";
  }
  return name;
}

bool IsUnlikeAll(const ConversationLanguage& language, const HomeView& view, const std::string& text) {
  const auto is_like = [&](const std::string& name) {
    const std::vector<std::string> words = NameParts(name, language.pack.has_case);
    const auto shared = std::count_if(words.begin(), words.end(), [&](const std::string& word) {
      return text.find(word) != std::string::npos;
    });
    return 2 * static_cast<size_t>(shared) >= words.size();
  };
  return std::none_of(view.lower_names.begin(), view.lower_names.end(), is_like) &&
         std::none_of(view.home.areas.begin(), view.home.areas.end(),
                      [&](const HomeArea& area) { return is_like(LowerCase(area.name)); });
}

std::optional<SlotWords> DrawOptions(const ConversationLanguage& language, const HomeView& view,
                                     Random& random) {
  constexpr std::array<std::string_view, 4> kDomains = {"lock", "media_player", "cover", "valve"};
  const std::string_view domain = random.Pick(kDomains);
  std::map<std::string, std::vector<const HomeDevice*>> kinds;
  for (size_t i = 0; i < view.lower_names.size(); ++i) {
    const HomeDevice& device = view.home.devices[i];
    if (device.domain == domain) kinds[DeviceKind(device.domain, device.device_class)].push_back(&device);
  }
  for (const auto& [kind, devices] : kinds) {
    const bool near = std::any_of(devices.begin(), devices.end(), [&](const HomeDevice* device) {
      return !view.speaker_id.empty() && device->area_id == view.speaker_id;
    });
    if (devices.size() < 2 || devices.size() > kOptionsNamed || near) continue;
    std::string options;
    for (const HomeDevice* device : devices) {
      if (!options.empty()) options += language.pack.has_case ? ", " : "、";
      options += device->name;
    }
    const std::string singular = language.drafter.Singular(kind, random);
    if (singular.empty()) return std::nullopt;
    SlotWords words;
    words.Set("singular", singular);
    words.Set("options", options);
    return words;
  }
  return std::nullopt;
}

std::string DrawSyllables(const ConversationLanguage& language, Random& random) {
  std::string text;
  for (uint32_t i = random.Between(1, 6); i > 0; --i) {
    if (!text.empty() && (language.pack.has_case || random.Chance(0.3))) text += ' ';
    text +=
        random.Chance(0.12) ? std::to_string(random.Below(1000)) : language.homes.inventor().Invent(random);
  }
  return text;
}

}  // namespace mimo
