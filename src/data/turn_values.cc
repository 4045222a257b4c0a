// TurnDrafter: the values of a request, how they are said and which arguments they become.

#include <algorithm>
#include <iterator>
#include <span>

#include "data/turn_binding.h"

namespace mimo {
namespace {

// Numbers people choose: mostly tens.
uint32_t DrawPercent(Random& random) {
  return random.Chance(0.5) ? 10 * random.Between(0, 10) : random.Between(0, 100);
}

// Mostly whole and comfortable, now and then in Fahrenheit.
uint32_t DrawTenthsOfDegrees(Random& random) {
  const double draw = random.Unit();
  if (draw < 0.62) return 10 * random.Between(15, 30);
  if (draw < 0.74) return 10 * random.Between(5, 85);
  if (draw < 0.9) return 10 * random.Between(15, 30) + 5;
  return random.Between(150, 300);
}

template <typename Map>
const auto& PickEntry(Random& random, const Map& map) {
  auto entry = map.begin();
  std::advance(entry, random.Below(map.size()));
  return *entry;
}

}  // namespace

bool TurnDrafter::BindValue(Binding& binding) const {
  Random& random = binding.random;
  switch (binding.situation.value) {
    case SituationValue::kNone:
      return true;
    case SituationValue::kPosition:
    case SituationValue::kBrightness:
    case SituationValue::kFanSpeed:
    case SituationValue::kVolume:
    case SituationValue::kVolumeUp:
    case SituationValue::kVolumeDown:
    case SituationValue::kLimit:
      return BindPercent(binding);
    case SituationValue::kBrightnessWord: {
      const auto& [percent, words] = PickEntry(random, pack_.brightness_words);
      binding.words.Set("brightness_word", random.Pick(words).Expand(random));
      binding.arguments["brightness"] = percent;
      return true;
    }
    case SituationValue::kColor: {
      const auto& [color, words] = PickEntry(random, pack_.colors);
      binding.words.Set("color", random.Pick(words).Expand(random));
      binding.arguments["color"] = color;
      return true;
    }
    case SituationValue::kColorTemperature: {
      if (random.Chance(0.45)) {
        const uint32_t kelvin = 100 * random.Between(20, 65);
        binding.words.Set("color_temperature", values_.Kelvin(random, kelvin));
        binding.arguments["temperature"] = kelvin;
        binding.has_open_values = true;
        return true;
      }
      const auto& [kelvin, words] = PickEntry(random, pack_.color_temperatures);
      binding.words.Set("color_temperature", random.Pick(words).Expand(random));
      binding.arguments["temperature"] = kelvin;
      return true;
    }
    case SituationValue::kDegrees: {
      const uint32_t tenths = DrawTenthsOfDegrees(random);
      binding.words.Set("degrees", values_.Degrees(random, tenths));
      binding.arguments["temperature"] = DegreesArgument(tenths);
      binding.has_open_values = true;
      return true;
    }
    case SituationValue::kState:
      return BindState(binding);
    case SituationValue::kDetected: {
      const DeviceWords* words = pack_.Device(DeviceKind(binding.domain, binding.device_class));
      if (words == nullptr || words->detected.empty()) return false;
      binding.words.Set("detected", random.Pick(words->detected).Expand(random));
      binding.arguments["state"] = "on";
      return true;
    }
    case SituationValue::kDuration:
      BindDuration(binding, DrawDuration(random));
      return true;
    case SituationValue::kDurationCommand:
      BindDuration(binding, DrawDuration(random));
      return BindCommand(binding);
    default:
      return BindText(binding);
  }
}

bool TurnDrafter::BindPercent(Binding& binding) const {
  const SituationValue value = binding.situation.value;
  const bool is_step = value == SituationValue::kVolumeUp || value == SituationValue::kVolumeDown;
  const uint32_t percent =
      std::max(is_step ? 1u : 0u, DrawPercent(binding.random));  // "louder by zero" is nothing to ask for
  binding.words.Set("percent", values_.Percent(binding.random, percent));
  binding.has_open_values = true;
  Json& arguments = binding.arguments;
  switch (value) {
    case SituationValue::kPosition:
      arguments["position"] = percent;
      break;
    case SituationValue::kBrightness:
      arguments["brightness"] = percent;
      break;
    case SituationValue::kFanSpeed:
      arguments["percentage"] = percent;
      break;
    case SituationValue::kVolume:
      arguments["volume_level"] = percent;
      break;
    case SituationValue::kLimit:
      arguments["limit"] = percent;
      break;
    default:
      // A text by the tool's schema, since it may be "up", too.
      arguments["volume_step"] =
          fmt::format("{}{}", value == SituationValue::kVolumeDown ? "-" : "", percent);
      break;
  }
  return true;
}

bool TurnDrafter::BindText(Binding& binding) const {
  Random& random = binding.random;
  const auto bind = [&](std::string_view slot, std::string_view list, const char* argument) {
    std::string text = AnyWord(list, random);
    binding.arguments[argument] = text;
    binding.words.Set(slot, text);
    binding.has_open_values = true;
  };
  switch (binding.situation.value) {
    case SituationValue::kTitleClass: {
      const auto& [media_class, words] = PickEntry(random, pack_.media_classes);
      binding.words.Set("media_class", random.Pick(words).Expand(random));
      binding.arguments["media_class"] = media_class;
      bind("title", "titles", "search_query");
      return true;
    }
    case SituationValue::kTitle:
      bind("title", "titles", "search_query");
      return true;
    case SituationValue::kItem:
    case SituationValue::kItemList:
      return BindList(binding);
    case SituationValue::kMessage:
      bind("message", "messages", "message");
      return true;
    case SituationValue::kPlace:
      bind("place", "places", "destination");
      return true;
    case SituationValue::kRecipient:
      bind("person", "first_names", "recipient");
      bind("message", "messages", "message");
      return true;
    case SituationValue::kReminder:
    case SituationValue::kEvent:
    case SituationValue::kTime: {
      const bool is_reminder = binding.situation.value == SituationValue::kReminder;
      bind("event", "events", is_reminder ? "text" : "summary");
      binding.words.Set("time", values_.ClockTime(random));
      binding.optional_arguments.emplace_back("time", "time");
      binding.has_open_values = binding.situation.value != SituationValue::kTime;
      return true;
    }
    default:
      return false;
  }
}

bool TurnDrafter::BindState(Binding& binding) const {
  const auto* states = pack_.States(binding.domain, binding.device_class);
  if (states == nullptr || states->empty()) return false;
  const auto& [state, words] = PickEntry(binding.random, *states);
  if (words.empty()) return false;
  binding.words.Set("state", binding.random.Pick(words).Expand(binding.random));
  binding.arguments["state"] = state;
  return true;
}

void TurnDrafter::BindDuration(Binding& binding, const SpokenDuration& duration) const {
  binding.words.Set("duration", values_.Duration(binding.random, duration));
  if (duration.hours > 0) binding.arguments["hours"] = duration.hours;
  if (duration.minutes > 0) binding.arguments["minutes"] = duration.minutes;
  if (duration.seconds > 0) binding.arguments["seconds"] = duration.seconds;
  binding.has_open_values = true;
}

bool TurnDrafter::BindTimer(Binding& binding) const {
  Random& random = binding.random;
  const SituationTimer wanted = binding.situation.timer;
  if (wanted == SituationTimer::kNone || wanted == SituationTimer::kNew) return true;
  if (wanted == SituationTimer::kNewNamed) {
    std::string name =
        random.Chance(0.12) ? homes_.inventor().Invent(random) : AnyWord("timer_names", random);
    binding.arguments["name"] = name;
    binding.words.Set("timer", name);
    return true;
  }
  const Home& home = binding.view.home;
  if (home.timers.empty()) return false;
  const HomeTimer& timer = random.Pick(home.timers);
  if (wanted == SituationTimer::kAny) return true;
  if (wanted == SituationTimer::kArea) {
    const HomeArea* area = home.FindArea(timer.area_id);
    if (area != nullptr) BindArea(binding, *area);
    return area != nullptr;
  }
  binding.has_open_values = true;
  if (wanted == SituationTimer::kNamed) {
    if (timer.name.empty()) return false;
    binding.arguments["name"] = timer.name;
    binding.words.Set("timer", timer.name);
    return true;
  }
  const SpokenDuration start = DurationOf(timer.seconds_total);
  binding.words.Set("start_duration", values_.Duration(random, start));
  if (start.hours > 0) binding.arguments["start_hours"] = start.hours;
  if (start.minutes > 0) binding.arguments["start_minutes"] = start.minutes;
  if (start.seconds > 0) binding.arguments["start_seconds"] = start.seconds;
  return true;
}

// What is done or removed must be on the list; what is added is anything.
bool TurnDrafter::BindList(Binding& binding) const {
  Random& random = binding.random;
  const bool is_shopping = binding.situation.value == SituationValue::kItem;
  const bool adds = binding.situation.name.ends_with(".add");
  const HomeDevice* list = binding.device;
  if (is_shopping) {
    for (const HomeDevice& device : binding.view.home.devices) {
      if (device.id == "todo.shopping_list") list = &device;
    }
  } else {
    binding.words.Set("list", *binding.words.Said("name"), *binding.words.Written("name"));
  }
  std::string item;
  if (adds) {
    item = random.Chance(0.06) ? homes_.inventor().Invent(random) : AnyWord("list_items", random);
  } else {
    if (list == nullptr) return false;
    const auto items = list->attributes.find("todo_items");
    if (items == list->attributes.end() || items->empty()) return false;
    item = (*items)[random.Below(items->size())].at("summary").get<std::string>();
  }
  binding.arguments["item"] = item;
  binding.words.Set("item", item);
  binding.has_open_values = true;
  return true;
}

// What is to happen when the timer ends: another request, word for word.
bool TurnDrafter::BindCommand(Binding& binding) const {
  const std::span<const Situation> situations = Situations();
  for (int attempt = 0; attempt < 20; ++attempt) {
    const Situation& situation = situations[binding.random.Below(situations.size())];
    if (!IsJoinable(situation) || situation.kinds.empty()) continue;
    std::optional<TurnDraft> command =
        Draft(situation, binding.view, binding.random, SentenceUse::kPartOfAnother);
    if (!command) continue;
    binding.arguments["conversation_command"] = command->phrase;
    binding.words.Set("command", command->phrase);
    return true;
  }
  return false;
}

}  // namespace mimo
