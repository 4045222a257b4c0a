#include "home/name_aliases.h"

#include <algorithm>

#include "home/name_pattern.h"

namespace mimo {
namespace {

const Json& InnerHome(const Json& json) {
  const auto inner = json.find("synthetic_home");
  return inner == json.end() ? json : *inner;
}

const Json& ListOf(const Json& json, const char* key) {
  static const Json kNone = Json::array();
  const auto found = json.find(key);
  return found == json.end() || !found->is_array() ? kNone : *found;
}

// "living_room_id" as a person would write it: contexts sometimes name a room by its id.
std::string WordsOfId(std::string id) {
  if (id.ends_with("_id")) id.resize(id.size() - 3);
  std::replace(id.begin(), id.end(), '_', ' ');
  return id;
}

}  // namespace

NameAliases::NameAliases(const Json& json, const Home& home) {
  const auto add_all = [this, &json](const char* list, const char* key) {
    for (const Json& entry : ListOf(InnerHome(json), list)) {
      const std::string pattern = StringAt(entry, "name");
      if (pattern.empty()) continue;
      const std::vector<std::string> spellings = NameSpellings(pattern);
      for (const std::string& spelling : spellings) Add(key, spelling, spellings.front());
      Add(key, pattern, spellings.front());
    }
  };
  add_all("floors", "floor");
  add_all("areas", "area");
  add_all("entities", "name");
  add_all("timers", "name");
  for (const HomeArea& area : home.areas) Add("area", WordsOfId(area.id), area.name);
  for (const HomeFloor& floor : home.floors) Add("floor", WordsOfId(floor.id), floor.name);
  for (const Json& entity : ListOf(InnerHome(json), "entities")) {
    const auto state = entity.find("state");
    if (state == entity.end() || !state->is_object()) continue;
    Add("state", StringAt(*state, "in"), StringAt(*state, "out"));
    Add("state", StringAt(*state, "out"), StringAt(*state, "out"));
  }
}

void NameAliases::Add(const std::string& key, const std::string& spelling, const std::string& canonical) {
  if (spelling.empty() || canonical.empty()) return;
  std::vector<std::string>& meanings = spellings_[{key, FoldName(spelling)}];
  if (std::find(meanings.begin(), meanings.end(), canonical) == meanings.end()) meanings.push_back(canonical);
}

std::string NameAliases::Canonical(std::string_view key, const std::string& text) const {
  const auto found = spellings_.find({std::string(key), FoldName(text)});
  return found == spellings_.end() ? text : found->second.front();
}

bool NameAliases::AreSame(std::string_view key, const std::string& one, const std::string& other) const {
  const std::string folded_one = FoldName(one);
  const std::string folded_other = FoldName(other);
  if (folded_one == folded_other) return true;
  const auto meanings_of_one = spellings_.find({std::string(key), folded_one});
  const auto meanings_of_other = spellings_.find({std::string(key), folded_other});
  if (meanings_of_one == spellings_.end() || meanings_of_other == spellings_.end()) return false;
  return std::any_of(meanings_of_one->second.begin(), meanings_of_one->second.end(),
                     [&](const std::string& meaning) {
                       const std::vector<std::string>& others = meanings_of_other->second;
                       return std::find(others.begin(), others.end(), meaning) != others.end();
                     });
}

}  // namespace mimo
