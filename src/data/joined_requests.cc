#include "data/joined_requests.h"

namespace mimo {

bool IsByName(const Situation& situation) {
  return situation.target == SituationTarget::kName || situation.target == SituationTarget::kNameOnly;
}

bool IsPairable(const Situation& situation) {
  if (situation.target == SituationTarget::kNothing || situation.timer != SituationTimer::kNone) return false;
  const auto wanted = IsByName(situation) ? SituationPlace::kNone : SituationPlace::kArea;
  return TurnDrafter::IsJoinable(situation) && situation.place == wanted &&
         situation.value != SituationValue::kItemList;
}

bool AreAtOdds(const ToolCall& first, const ToolCall& second) {
  if (first.name == second.name && first.arguments == second.arguments) return true;
  const auto name = first.arguments.find("name");
  const auto other_name = second.arguments.find("name");
  if (name == first.arguments.end() || other_name == second.arguments.end() || *name != *other_name)
    return false;
  return first.name == second.name || first.name == "HassTurnOff" || second.name == "HassTurnOff";
}

bool HaveSameKind(const ToolCall& first, const ToolCall& second) {
  const auto same = [&](const char* key) {
    return first.arguments.value(key, "") == second.arguments.value(key, "");
  };
  return same("domain") && same("device_class");
}

bool ShareValues(const ToolCall& first, ToolCall& second, const Situation& situation, bool is_same_kind) {
  const bool by_name = IsByName(situation);
  if (!by_name && !is_same_kind) return false;
  for (const auto& [key, value] : first.arguments.items()) {
    const bool is_kind = key == "domain" || key == "device_class";
    if (key != "name" && key != "area" && !is_kind) second.arguments[key] = value;
  }
  const char* differing = by_name ? "name" : "area";
  return first.arguments.at(differing) != second.arguments.at(differing) &&
         (!is_same_kind || first.arguments.size() == second.arguments.size());
}

SlotWords PairWords(const LanguagePack& pack, const SlotWords& first, const SlotWords& second,
                    bool is_same_kind, Random& random) {
  SlotWords words;
  const auto join = [&](std::string_view slot, std::string_view first_slot, std::string_view second_slot) {
    const std::string* one = first.Said(first_slot);
    const std::string* other = second.Said(second_slot);
    if (one == nullptr || other == nullptr) return;
    words.Set(slot, random.Pick(pack.pairs).Expand(random, [&](std::string_view part, std::string& out) {
      out += part == "first" ? *one : *other;
    }));
  };
  // "in the kitchen and the hall", where the room comes last; else what follows it comes once, too.
  const bool place_first = pack.has_case;
  join("name", "name", "name");
  join("area", "area", "area");
  join("in_area", place_first ? "in_area" : "area", place_first && random.Chance(0.6) ? "area" : "in_area");
  for (const std::string_view slot :
       {"percent", "brightness_word", "color", "color_temperature", "degrees"}) {
    if (const std::string* word = first.Said(slot)) words.Set(slot, *word);
  }
  for (const std::string_view slot : {"plural", "singular"}) {
    const std::string* word = first.Said(slot);
    if (is_same_kind && word != nullptr) words.Set(slot, *word);
  }
  return words;
}

}  // namespace mimo
