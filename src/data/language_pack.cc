#include "data/language_pack.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "data/language_assets.h"

namespace mimo {
namespace {

using Phrases = std::vector<Phrase>;

// Reads fields and remembers the first error, so that the list of fields reads as a list.
class PackReader {
 public:
  explicit PackReader(const Json& json) : json_(json) {}

  const Json* Find(const Json& object, std::string_view key) {
    const auto found = object.find(key);
    if (found != object.end()) return &*found;
    Fail(fmt::format("'{}' is missing", key));
    return nullptr;
  }
  const Json* Find(std::string_view key) { return Find(json_, key); }

  Phrases ReadPhrases(const Json* json, std::string_view where) {
    Phrases phrases;
    for (const std::string& text : ReadStrings(json, where)) {
      Result<Phrase> phrase = Phrase::Parse(text);
      if (phrase) {
        phrases.push_back(*std::move(phrase));
      } else {
        Fail(fmt::format("'{}': {}", where, phrase.error().message));
      }
    }
    return phrases;
  }
  Phrases ReadPhrases(std::string_view key) { return ReadPhrases(Find(key), key); }
  // A list that may be absent.
  Phrases ReadOptional(const Json& object, std::string_view key) {
    const auto found = object.find(key);
    return found == object.end() ? Phrases() : ReadPhrases(&*found, key);
  }

  std::vector<std::string> ReadStrings(const Json* json, std::string_view where) {
    std::vector<std::string> texts;
    if (json == nullptr) return texts;
    if (!json->is_array()) Fail(fmt::format("'{}' must be a list", where));
    for (const Json& text : *json) {
      if (text.is_string()) {
        texts.push_back(text.get<std::string>());
      } else {
        Fail(fmt::format("'{}' must hold texts", where));
      }
    }
    return texts;
  }

  std::vector<std::vector<std::string>> ReadGroups(std::string_view key) {
    std::vector<std::vector<std::string>> groups;
    const Json* json = Find(key);
    if (json == nullptr) return groups;
    if (!json->is_array()) Fail(fmt::format("'{}' must be a list", key));
    for (const Json& group : *json) {
      groups.push_back(ReadStrings(&group, key));
      if (groups.back().empty()) Fail(fmt::format("'{}' holds an empty list", key));
    }
    return groups;
  }

  // Calls `read(key, value)` for each entry of an object.
  template <typename Read>
  void ForEach(const Json* json, std::string_view where, Read&& read) {
    if (json == nullptr) return;
    if (!json->is_object()) return Fail(fmt::format("'{}' must be an object", where));
    for (const auto& [key, value] : json->items()) read(key, value);
  }

  template <typename Map>
  void ReadMap(std::string_view key, Map& map) {
    ForEach(Find(key), key, [&](const std::string& name, const Json& value) {
      map[name] = ReadPhrases(&value, fmt::format("{}.{}", key, name));
    });
  }

  void ReadNumberMap(std::string_view key, std::map<int, Phrases>& map) {
    ForEach(Find(key), key, [&](const std::string& name, const Json& value) {
      int number = 0;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
      if (error != std::errc() || end != name.data() + name.size()) {
        return Fail(fmt::format("'{}.{}' must be a number", key, name));
      }
      map[number] = ReadPhrases(&value, fmt::format("{}.{}", key, name));
    });
  }

  void Fail(std::string message) {
    if (error_.empty()) error_ = std::move(message);
  }
  const std::string& error() const { return error_; }

 private:
  const Json& json_;
  std::string error_;
};

constexpr std::string_view kLists[] = {
    "first_names", "brands",   "places", "topics", "timer_names", "system_prompts", "list_items",
    "list_names",  "messages", "titles", "events", "percent",     "degrees",        "clock_times"};

DurationWords ReadUnit(PackReader& reader, const Json& durations, std::string_view unit) {
  DurationWords words;
  const Json* json = reader.Find(durations, unit);
  if (json == nullptr || !json->is_object()) {
    reader.Fail(fmt::format("'durations.{}' must be an object", unit));
    return words;
  }
  words.one = reader.ReadPhrases(reader.Find(*json, "one"), unit);
  words.many = reader.ReadPhrases(reader.Find(*json, "many"), unit);
  words.fives = reader.ReadOptional(*json, "fives");
  const auto half = durations.find("half");
  if (half != durations.end()) words.half = reader.ReadOptional(*half, unit);
  const auto and_half = durations.find("and_half");
  if (and_half != durations.end()) words.and_half = reader.ReadOptional(*and_half, unit);
  return words;
}

void ReadDurations(PackReader& reader, LanguagePack& pack) {
  const Json* durations = reader.Find("durations");
  if (durations == nullptr) return;
  if (!durations->is_object()) return reader.Fail("'durations' must be an object");
  pack.hours = ReadUnit(reader, *durations, "hours");
  pack.minutes = ReadUnit(reader, *durations, "minutes");
  pack.seconds = ReadUnit(reader, *durations, "seconds");
  pack.duration_joins = reader.ReadStrings(reader.Find(*durations, "joins"), "durations.joins");
}

void ReadDevices(PackReader& reader, LanguagePack& pack) {
  reader.ForEach(reader.Find("devices"), "devices", [&](const std::string& kind, const Json& value) {
    if (!value.is_object()) return reader.Fail(fmt::format("'devices.{}' must be an object", kind));
    DeviceWords& words = pack.devices[kind];
    words.names = reader.ReadPhrases(reader.Find(value, "names"), kind + ".names");
    words.singular = reader.ReadPhrases(reader.Find(value, "singular"), kind + ".singular");
    words.plural = reader.ReadPhrases(reader.Find(value, "plural"), kind + ".plural");
    words.detected = reader.ReadOptional(value, "detected");
  });
}

void ReadSituations(PackReader& reader, LanguagePack& pack) {
  reader.ForEach(reader.Find("situations"), "situations", [&](const std::string& name, const Json& value) {
    if (!value.is_object()) return reader.Fail(fmt::format("'situations.{}' must be an object", name));
    SituationWords& words = pack.situations[name];
    words.phrases = reader.ReadPhrases(reader.Find(value, "phrases"), name + ".phrases");
    words.remarks = reader.ReadOptional(value, "remarks");
    words.replies = reader.ReadPhrases(reader.Find(value, "replies"), name + ".replies");
  });
}

void ReadSmallTalk(PackReader& reader, LanguagePack& pack) {
  const Json* json = reader.Find("small_talk");
  if (json == nullptr) return;
  if (!json->is_array()) return reader.Fail("'small_talk' must be a list");
  for (const Json& entry : *json) {
    if (!entry.is_object()) return reader.Fail("'small_talk' must hold objects");
    SmallTalk talk{reader.ReadPhrases(reader.Find(entry, "user"), "small_talk.user"),
                   reader.ReadPhrases(reader.Find(entry, "reply"), "small_talk.reply")};
    pack.small_talk.push_back(std::move(talk));
  }
}

}  // namespace

std::string DeviceKind(std::string_view domain, std::string_view device_class) {
  std::string kind(domain);
  if (!device_class.empty()) kind.append(".").append(device_class);
  return kind;
}

const std::vector<Phrase>& LanguagePack::List(std::string_view key) const {
  const auto found = lists.find(key);
  MIMO_CHECK(found != lists.end());
  return found->second;
}

const DeviceWords* LanguagePack::Device(std::string_view kind) const {
  const auto found = devices.find(kind);
  return found == devices.end() ? nullptr : &found->second;
}

const std::map<std::string, std::vector<Phrase>>* LanguagePack::States(std::string_view domain,
                                                                       std::string_view device_class) const {
  auto found = states.find(DeviceKind(domain, device_class));
  if (found == states.end()) found = states.find(domain);
  return found == states.end() ? nullptr : &found->second;
}

Result<LanguagePack> ParseLanguagePack(const Json& json) {
  if (!json.is_object()) return InvalidArgument("a language pack must be an object");
  PackReader reader(json);
  LanguagePack pack;
  if (const Json* tag = reader.Find("language"); tag != nullptr && tag->is_string()) {
    pack.language = tag->get<std::string>();
  }
  if (const Json* has_case = reader.Find("has_case"); has_case != nullptr && has_case->is_boolean()) {
    pack.has_case = has_case->get<bool>();
  }
  pack.numbers = reader.ReadStrings(reader.Find("numbers"), "numbers");
  pack.polite = reader.ReadPhrases("polite");
  pack.pairs = reader.ReadPhrases("pairs");
  pack.area_phrases = reader.ReadPhrases("area_phrases");
  pack.floor_phrases = reader.ReadPhrases("floor_phrases");
  pack.here_phrases = reader.ReadPhrases("here_phrases");
  pack.floors = reader.ReadGroups("floors");
  pack.areas = reader.ReadGroups("areas");
  reader.ReadMap("colors", pack.colors);
  reader.ReadMap("media_classes", pack.media_classes);
  reader.ReadNumberMap("color_temperatures", pack.color_temperatures);
  reader.ReadNumberMap("brightness_words", pack.brightness_words);
  for (const std::string_view key : kLists) pack.lists[std::string(key)] = reader.ReadPhrases(key);
  pack.lists["kelvin"] = reader.ReadOptional(json, "kelvin");
  pack.half_degrees = reader.ReadOptional(json, "half_degrees");
  if (const auto point = json.find("point"); point != json.end() && point->is_string()) {
    pack.point = point->get<std::string>();
  }
  reader.ForEach(reader.Find("states"), "states", [&](const std::string& kind, const Json& value) {
    reader.ForEach(&value, kind, [&](const std::string& state, const Json& words) {
      pack.states[kind][state] = reader.ReadPhrases(&words, fmt::format("states.{}.{}", kind, state));
    });
  });
  ReadDurations(reader, pack);
  ReadDevices(reader, pack);
  ReadSmallTalk(reader, pack);
  ReadSituations(reader, pack);
  if (const auto lacks = json.find("lacks"); lacks != json.end()) {
    pack.lacks = reader.ReadStrings(&*lacks, "lacks");
  }
  if (!reader.error().empty()) {
    return InvalidArgument("language pack '{}': {}", pack.language, reader.error());
  }
  return pack;
}

std::vector<std::string> BuiltinLanguages() {
  std::vector<std::string> tags;
  for (const LanguageAsset& asset : LanguageAssets()) tags.emplace_back(asset.tag);
  std::sort(tags.begin(), tags.end());
  return tags;
}

Result<LanguagePack> LoadBuiltinLanguage(std::string_view language) {
  for (const LanguageAsset& asset : LanguageAssets()) {
    if (asset.tag != language) continue;
    MIMO_ASSIGN_OR_RETURN(const Json json, ParseJson(asset.text));
    return ParseLanguagePack(json);
  }
  return NotFound("no language pack '{}'; packs: {}", language, fmt::join(BuiltinLanguages(), ", "));
}

}  // namespace mimo
