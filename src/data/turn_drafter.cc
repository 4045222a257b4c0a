#include "data/turn_drafter.h"

#include <algorithm>

#include "base/check.h"
#include "data/turn_binding.h"
#include "home/home_tools.h"

namespace mimo {
namespace {

constexpr size_t kIdeographBytes = 3;

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

// Of several, those in the room of who speaks.
void PreferSpeakersRoom(const HomeView& view, std::vector<const HomeDevice*>& candidates) {
  const auto is_elsewhere = [&view](const HomeDevice* device) {
    return view.speaker_id.empty() || device->area_id != view.speaker_id;
  };
  if (std::all_of(candidates.begin(), candidates.end(), is_elsewhere)) return;
  candidates.erase(std::remove_if(candidates.begin(), candidates.end(), is_elsewhere), candidates.end());
}

// Whether only this device can be meant by `said`.
bool IsOnlyOneCalled(const HomeView& view, const HomeDevice& device, const std::string& said) {
  for (size_t i = 0; i < view.num_devices; ++i) {
    if (&view.home.devices[i] == &device) continue;
    if (Mentions(view.lower_names[i], said) || Mentions(said, view.lower_names[i])) return false;
  }
  return std::none_of(view.home.areas.begin(), view.home.areas.end(),
                      [&said](const HomeArea& area) { return LowerCase(area.name) == said; });
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
  if (situation.target == SituationTarget::kDomain && situation.place == SituationPlace::kNone) {
    PreferSpeakersRoom(view, candidates);
  }
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
  const std::string said = SaidName(binding);
  binding.words.Set(binding.domain == "person" ? "person" : "name", said, binding.device->name);
  binding.arguments["name"] = binding.device->name;
  if (situation.target == SituationTarget::kName) {
    binding.arguments["domain"] = binding.domain;
    const bool is_sensor = binding.domain == "binary_sensor" || binding.domain == "sensor";
    if (is_sensor && !binding.device_class.empty()) binding.arguments["device_class"] = binding.device_class;
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
    binding.words.Set("name", SaidName(binding), binding.device->name);
    binding.optional_arguments.emplace_back("name", "name");
  }
  return true;
}

// "the studio vacuum" is the vacuum called Studio, "Ruth's light" her lamp. Empty where no word of the kind
// fits.
std::string TurnDrafter::WithKind(Random& random, const std::string& name, const DeviceWords& words,
                                  bool is_light) const {
  const std::vector<Phrase>& choice = is_light && random.Chance(0.4) ? words.plural : words.singular;
  if (choice.empty()) return "";
  const std::string kind = random.Pick(choice).Expand(random);
  for (const Phrase& phrase : words.singular) {
    const std::string other = phrase.Expand(random);
    if (!name.ends_with(other)) {
      if (name.find(other) != std::string::npos) return "";
      continue;
    }
    const std::string rest = name.substr(0, name.size() - other.size());
    return rest.empty() || other == kind ? "" : rest + kind;
  }
  return name + (pack_.has_case ? " " : "") + kind;
}

// How the device is called: mostly by its name, now and then by less or more of it.
std::string TurnDrafter::SaidName(const Binding& binding) const {
  const HomeDevice& device = *binding.device;
  const HomeView& view = binding.view;
  Random& random = binding.random;
  const SpokenName& spoken = view.made.spoken_names[static_cast<size_t>(&device - view.home.devices.data())];
  std::string name = device.name;
  if (!spoken.short_name.empty() && random.Chance(0.75) &&
      IsOnlyOneCalled(view, device, LowerCase(spoken.short_name))) {
    name = spoken.short_name;
  }
  const auto is_called = [lower = LowerCase(name)](const std::vector<std::string>& group) {
    return std::find(group.begin(), group.end(), lower) != group.end();
  };
  const bool is_place = std::any_of(pack_.areas.begin(), pack_.areas.end(), is_called);
  constexpr std::string_view kCalledByKind = "light fan switch cover lock vacuum lawn_mower media_player";
  const DeviceWords* words = pack_.Device(spoken.kind);
  if (words != nullptr && HasWord(kCalledByKind, device.domain) && random.Chance(is_place ? 0.8 : 0.12)) {
    std::string called = WithKind(random, LowerCase(name), *words, spoken.kind == "light");
    if (!called.empty() && IsOnlyOneCalled(view, device, called)) return called;
  }
  // A capital letter inside is worth keeping now and then: it is how the screen shows the name.
  return pack_.has_case && random.Chance(0.85) ? LowerCase(name) : name;
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

// Music and warmth are wanted where the speaker is, if the home can tell.
void TurnDrafter::BindSpeakersPlace(Binding& binding) const {
  const HomeView& view = binding.view;
  const bool is_near =
      binding.device == nullptr || view.speaker_id.empty() || binding.device->area_id == view.speaker_id;
  if (binding.situation.target != SituationTarget::kDomain || view.speaker_area.empty() || !is_near) return;
  if (binding.situation.tool.starts_with("HassMedia") ||
      binding.situation.tool.starts_with("HassSetVolume") ||
      binding.situation.tool.starts_with("HassClimate")) {
    binding.arguments["area"] = view.speaker_area;
  }
}

bool TurnDrafter::BindPlace(Binding& binding) const {
  const HomeView& view = binding.view;
  const bool by_device = binding.device != nullptr && binding.situation.kinds != "vacuum";
  switch (binding.situation.place) {
    case SituationPlace::kNone:
      BindSpeakersPlace(binding);
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
      std::string said = SaidPlace(binding.random, floor->name, pack_.floors, view.made.floor_words[index]);
      // A floor listed as a number alone is never said so.
      const bool is_number = !pack_.has_case && said.size() <= kIdeographBytes;
      if (is_number) said = pack_.floors[view.made.floor_words[index]].front();
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
