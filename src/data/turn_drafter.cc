#include "data/turn_drafter.h"

#include <algorithm>

#include "base/check.h"
#include "data/turn_binding.h"
#include "home/home_tools.h"

namespace mimo {
namespace {

bool HasWord(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t blank = words.find(' ');
    if (words.substr(0, blank) == word) return true;
    words = blank == std::string_view::npos ? std::string_view() : words.substr(blank + 1);
  }
  return false;
}

bool IsWordByte(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Whether `name` stands in `text` on its own: "lamp" is not in "lampshade". Both in lower case.
bool Mentions(std::string_view text, std::string_view name) {
  if (name.empty()) return false;
  for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const size_t end = at + name.size();
    const bool starts = at == 0 || !IsWordByte(text[at - 1]) || !IsWordByte(name.front());
    const bool ends = end == text.size() || !IsWordByte(text[end]) || !IsWordByte(name.back());
    if (starts && ends) return true;
  }
  return false;
}

}  // namespace

const std::string* SlotWords::Said(std::string_view slot) const {
  for (const Entry& entry : entries_) {
    if (entry.slot == slot) return &entry.said;
  }
  return nullptr;
}

const std::string* SlotWords::Written(std::string_view slot) const {
  for (const Entry& entry : entries_) {
    if (entry.slot == slot) return &entry.written;
  }
  return nullptr;
}

void TurnDraft::SetSentence(SaidSentence said, SituationMood situation_mood) {
  phrase = std::move(said.text);
  slot_ranges = std::move(said.slot_ranges);
  mood = said.is_remark ? SituationMood::kRemark : situation_mood;
}

TurnDrafter::TurnDrafter(const LanguagePack& pack, const HomeGenerator& homes)
    : pack_(pack), homes_(homes), values_(pack) {}

bool TurnDrafter::IsJoinable(const Situation& situation) {
  switch (situation.value) {
    case SituationValue::kDurationCommand:
    case SituationValue::kTitle:
    case SituationValue::kTitleClass:
    case SituationValue::kMessage:
    case SituationValue::kRecipient:
    case SituationValue::kReminder:
    case SituationValue::kEvent:
      return false;
    default:
      return situation.mood == SituationMood::kCommand;
  }
}

std::optional<TurnDraft> TurnDrafter::Draft(const Situation& situation, const HomeView& view, Random& random,
                                            SentenceUse use) const {
  Binding binding{.situation = situation, .view = view, .random = random};
  if (!BindDevice(binding) || !BindPlace(binding) || !BindTimer(binding) || !BindValue(binding)) {
    return std::nullopt;
  }
  TurnDraft draft;
  draft.situation = situation.name;
  std::optional<SaidSentence> said = Say(situation.name, binding.words, random, use);
  if (!said) return std::nullopt;
  draft.SetSentence(*std::move(said), situation.mood);
  if (!FinishCall(binding, draft)) return std::nullopt;
  draft.words = std::move(binding.words);
  draft.has_open_values = binding.has_open_values;
  return draft;
}

// The device meant, or one that shows which kind is meant and that the home has it.
bool TurnDrafter::BindDevice(Binding& binding) const {
  const Situation& situation = binding.situation;
  if (situation.kinds.empty()) return true;
  const bool is_named =
      situation.target == SituationTarget::kName || situation.target == SituationTarget::kNameOnly;
  const HomeView& view = binding.view;
  if (view.num_devices == 0) return !is_named && BindKind(binding);
  // Which room a vacuum stands in is not which it cleans.
  const bool place_matters = situation.kinds != "vacuum";
  std::vector<const HomeDevice*> candidates;
  for (size_t i = 0; i < view.num_devices; ++i) {
    const HomeDevice& device = view.home.devices[i];
    if (!HasWord(situation.kinds, device.domain)) continue;
    const HomeArea* area = view.home.FindArea(device.area_id);
    if (place_matters && situation.place == SituationPlace::kArea && area == nullptr) continue;
    if (situation.place == SituationPlace::kFloor && (area == nullptr || area->floor_id.empty())) continue;
    if (place_matters && situation.place == SituationPlace::kHere && !view.speaker_id.empty() &&
        device.area_id != view.speaker_id) {
      continue;
    }
    candidates.push_back(&device);
  }
  if (candidates.empty()) return false;
  binding.device = binding.random.Pick(candidates);
  binding.domain = binding.device->domain;
  binding.device_class = binding.device->device_class;
  if (!is_named) return BindKind(binding);
  // A name that two devices share means neither, unless the place tells them apart.
  for (size_t i = 0; i < view.num_devices; ++i) {
    const HomeDevice& other = view.home.devices[i];
    if (&other == binding.device || view.lower_names[i] != LowerCase(binding.device->name)) continue;
    if (!HasWord(situation.kinds, other.domain)) continue;
    // What sensors of one name measure is said, and the call names it: is the phone charging?
    const bool both_sensors = other.domain == "binary_sensor" && binding.domain == "binary_sensor";
    if (both_sensors && other.device_class != binding.device_class) continue;
    if (situation.place == SituationPlace::kNone || other.area_id == binding.device->area_id) return false;
  }
  binding.has_open_values = true;
  const std::string said = SaidName(*binding.device, binding.random);
  binding.words.Set(binding.domain == "person" ? "person" : "name", said, binding.device->name);
  binding.arguments["name"] = binding.device->name;
  if (situation.target == SituationTarget::kName) {
    binding.arguments["domain"] = binding.domain;
    if (binding.domain == "binary_sensor") binding.arguments["device_class"] = binding.device_class;
  }
  return BindKind(binding);
}

// The words of the device's kind, and what a call by kind says.
bool TurnDrafter::BindKind(Binding& binding) const {
  const Situation& situation = binding.situation;
  if (binding.device == nullptr) {
    std::vector<std::string_view> kinds;
    for (const auto& [kind, words] : pack_.devices) {
      const std::string_view domain = std::string_view(kind).substr(0, kind.find('.'));
      if (HasWord(situation.kinds, domain)) kinds.push_back(kind);
    }
    if (kinds.empty()) return false;
    const std::string_view kind = binding.random.Pick(kinds);
    const size_t dot = kind.find('.');
    binding.domain = kind.substr(0, dot);
    binding.device_class = dot == std::string_view::npos ? std::string_view() : kind.substr(dot + 1);
  }
  const DeviceWords* words = pack_.Device(DeviceKind(binding.domain, binding.device_class));
  if (words == nullptr || words->plural.empty() || words->singular.empty()) {
    return situation.target != SituationTarget::kClass;
  }
  binding.words.Set("plural", binding.random.Pick(words->plural).Expand(binding.random));
  binding.words.Set("singular", binding.random.Pick(words->singular).Expand(binding.random));
  if (situation.target == SituationTarget::kClass) {
    binding.arguments["domain"] = binding.domain;
    if (!binding.device_class.empty()) binding.arguments["device_class"] = binding.device_class;
  }
  // "the car" may be called by its name in passing; the call then says it.
  if (situation.target == SituationTarget::kDomain && binding.device != nullptr) {
    binding.words.Set("name", SaidName(*binding.device, binding.random), binding.device->name);
    binding.optional_arguments.emplace_back("name", "name");
  }
  return true;
}

std::string TurnDrafter::SaidName(const HomeDevice& device, Random& random) const {
  // A capital letter inside is worth keeping now and then: it is how the screen shows the name.
  std::string name = pack_.has_case && random.Chance(0.85) ? LowerCase(device.name) : device.name;
  constexpr std::string_view kCalledByKind = "light fan switch cover lock vacuum lawn_mower media_player";
  if (!HasWord(kCalledByKind, device.domain) || !random.Chance(0.07)) return name;
  const DeviceWords* words = pack_.Device(DeviceKind(device.domain, device.device_class));
  if (words == nullptr) return name;
  const std::string lower = LowerCase(name);
  for (const auto& group : pack_.areas) {
    for (const std::string& area : group) {
      if (lower.find(area) != std::string::npos) return name;
    }
  }
  const auto contains = [&](const Phrase& phrase) {
    return lower.find(phrase.Expand(random)) != std::string::npos;
  };
  if (std::any_of(words->singular.begin(), words->singular.end(), contains)) return name;
  const std::vector<Phrase>& kind_words =
      device.domain == "light" && random.Chance(0.4) ? words->plural : words->singular;
  if (kind_words.empty()) return name;
  return name + (pack_.has_case ? " " : "") + random.Pick(kind_words).Expand(random);
}

std::string TurnDrafter::AnyWord(std::string_view list, Random& random) const {
  return random.Pick(pack_.List(list)).Expand(random);
}

std::string TurnDrafter::Singular(std::string_view kind, Random& random) const {
  const DeviceWords* words = pack_.Device(kind);
  return words == nullptr || words->singular.empty() ? "" : random.Pick(words->singular).Expand(random);
}

std::string TurnDrafter::SaidPlace(Random& random, const std::string& name,
                                   const std::vector<std::vector<std::string>>& words, size_t index) const {
  if (index != GeneratedHome::kInvented && random.Chance(0.1)) return random.Pick(words[index]);
  return pack_.has_case && random.Chance(0.88) ? LowerCase(name) : name;
}

void TurnDrafter::BindArea(Binding& binding, const HomeArea& area) const {
  const std::vector<HomeArea>& areas = binding.view.home.areas;
  const auto index = static_cast<size_t>(&area - areas.data());
  const std::string said =
      SaidPlace(binding.random, area.name, pack_.areas, binding.view.made.area_words[index]);
  const Phrase& phrase = binding.random.Pick(pack_.area_phrases);
  const auto in = [&](const std::string& name) {
    return phrase.Expand(binding.random, [&](std::string_view, std::string& out) { out += name; });
  };
  binding.words.Set("area", said, area.name);
  binding.words.Set("in_area", in(said), in(area.name));
  binding.arguments["area"] = area.name;
  binding.has_open_values = true;
}

bool TurnDrafter::BindPlace(Binding& binding) const {
  const HomeView& view = binding.view;
  const bool by_device = binding.device != nullptr && binding.situation.kinds != "vacuum";
  switch (binding.situation.place) {
    case SituationPlace::kNone:
      return true;
    case SituationPlace::kArea: {
      if (view.home.areas.empty()) return false;
      const HomeArea* area = by_device ? view.home.FindArea(binding.device->area_id) : nullptr;
      BindArea(binding, area != nullptr ? *area : binding.random.Pick(view.home.areas));
      return true;
    }
    case SituationPlace::kFloor: {
      if (view.home.floors.empty()) return false;
      const HomeArea* area = by_device ? view.home.FindArea(binding.device->area_id) : nullptr;
      const HomeFloor* floor =
          area != nullptr ? view.home.FindFloor(area->floor_id) : &binding.random.Pick(view.home.floors);
      if (floor == nullptr) return false;
      const auto index = static_cast<size_t>(floor - view.home.floors.data());
      const std::string said =
          SaidPlace(binding.random, floor->name, pack_.floors, view.made.floor_words[index]);
      const Phrase& phrase = binding.random.Pick(pack_.floor_phrases);
      const auto in = [&](const std::string& name) {
        return phrase.Expand(binding.random, [&](std::string_view, std::string& out) { out += name; });
      };
      binding.words.Set("floor", said, floor->name);
      binding.words.Set("in_floor", in(said), in(floor->name));
      binding.arguments["floor"] = floor->name;
      binding.has_open_values = true;
      return true;
    }
    case SituationPlace::kHere:
      binding.words.Set("here", binding.random.Pick(pack_.here_phrases).Expand(binding.random));
      if (!view.speaker_area.empty()) binding.arguments["area"] = view.speaker_area;
      return true;
  }
  return false;
}

// Completes the call, in the order of the tool's schema, which is the order a model learns best.
bool TurnDrafter::FinishCall(Binding& binding, TurnDraft& draft) const {
  const Situation& situation = binding.situation;
  if (!situation.fixed.empty()) {
    const Result<Json> fixed = ParseJson(situation.fixed);
    MIMO_CHECK(fixed);
    for (const auto& [key, value] : fixed->items()) binding.arguments[key] = value;
  }
  const std::string lower = LowerCase(draft.phrase);
  for (const auto& [slot, argument] : binding.optional_arguments) {
    if (!Mentions(lower, LowerCase(*binding.words.Said(slot)))) continue;
    binding.arguments[std::string(argument)] = *binding.words.Written(slot);
    binding.has_open_values = true;
  }
  // Where the sentence happens to hold another device's name, that device could be meant.
  const size_t own_size = binding.device == nullptr ? 0 : binding.device->name.size();
  const bool is_named = binding.arguments.contains("name");
  for (size_t i = 0; i < binding.view.num_devices && !situation.kinds.empty(); ++i) {
    const HomeDevice& other = binding.view.home.devices[i];
    if (!HasWord(situation.kinds, other.domain)) continue;
    if (is_named && (&other == binding.device || other.name.size() <= own_size)) continue;
    if (Mentions(lower, binding.view.lower_names[i])) return false;
  }
  const HomeTool* tool = FindHomeTool(situation.tool);
  MIMO_CHECK(tool != nullptr);
  draft.call.name = situation.tool;
  draft.call.arguments = Json::object();
  for (const auto& [key, schema] : tool->definition.parameters.at("properties").items()) {
    const auto found = binding.arguments.find(key);
    if (found != binding.arguments.end()) draft.call.arguments[key] = std::move(*found);
  }
  return true;
}

std::optional<SaidSentence> TurnDrafter::Say(std::string_view situation, const SlotWords& words,
                                             Random& random, SentenceUse use) const {
  const auto found = pack_.situations.find(situation);
  if (found == pack_.situations.end()) return std::nullopt;
  const std::vector<Phrase>& phrases = found->second.phrases;
  const std::vector<Phrase>& remarks = found->second.remarks;
  const size_t num_choices = phrases.size() + (use == SentenceUse::kAlone ? remarks.size() : 0);
  if (num_choices == 0) return std::nullopt;
  const size_t choice = random.Below(num_choices);
  SaidSentence said{.text = {}, .slot_ranges = {}, .is_remark = choice >= phrases.size()};
  const Phrase& phrase = said.is_remark ? remarks[choice - phrases.size()] : phrases[choice];
  bool complete = true;
  const SlotFiller fill = [&](std::string_view slot, std::string& out) {
    const std::string* word = words.Said(slot);
    complete = complete && word != nullptr;
    if (word != nullptr) out += *word;
  };
  said.text = phrase.Expand(random, fill, &said.slot_ranges);
  if (!complete || said.text.empty()) return std::nullopt;
  return said;
}

std::optional<std::string> TurnDrafter::Reply(std::string_view situation, const SlotWords& words,
                                              const std::string& result, Random& random) const {
  const auto found = pack_.situations.find(situation);
  if (found == pack_.situations.end() || found->second.replies.empty()) return std::nullopt;
  bool complete = true;
  std::string text =
      random.Pick(found->second.replies).Expand(random, [&](std::string_view slot, std::string& out) {
        const std::string* written = slot == "result" ? &result : words.Written(slot);
        complete = complete && written != nullptr;
        if (written != nullptr) out += *written;
      });
  if (!complete || text.empty()) return std::nullopt;
  return text;
}

}  // namespace mimo
