#pragma once
// The words of one language: docs/formats/language-pack.md.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "data/phrase.h"

namespace mimo {

struct DeviceWords {
  std::vector<Phrase> names;
  std::vector<Phrase> singular;
  std::vector<Phrase> plural;
  std::vector<Phrase> detected;  // what a binary_sensor notices, said after "is there"; may be empty
};

struct SituationWords {
  std::vector<Phrase> phrases;
  std::vector<Phrase> remarks;  // said as they are, never as a part of another sentence; may be empty
  std::vector<Phrase> replies;
};

struct SmallTalk {
  std::vector<Phrase> user;
  std::vector<Phrase> replies;
};

struct DurationWords {
  std::vector<Phrase> one, many;  // "an hour"; "{n} hours"
  std::vector<Phrase> half;       // "half an hour"; may be empty
  std::vector<Phrase> and_half;   // "{n} and a half hours"; may be empty
  std::vector<Phrase> fives;      // of minutes alone: {n} times five of them; may be empty
};

// Immutable; any thread. Lists are never empty where the specification asks for them.
struct LanguagePack {
  std::string language;
  bool has_case = true;
  std::vector<std::string> numbers;  // [101]
  std::vector<Phrase> polite;
  std::vector<Phrase> area_phrases, floor_phrases, here_phrases;
  std::vector<std::vector<std::string>> floors, areas;      // [place][synonym]
  std::map<std::string, DeviceWords, std::less<>> devices;  // by domain or domain.device_class
  std::map<std::string, std::vector<Phrase>, std::less<>> colors, media_classes;
  std::map<int, std::vector<Phrase>> color_temperatures, brightness_words;
  std::map<std::string, std::map<std::string, std::vector<Phrase>>, std::less<>> states;
  // first_names, brands, places, topics, timer_names, list_items, list_names, messages, titles, events,
  // percent, degrees, kelvin, clock_times.
  std::map<std::string, std::vector<Phrase>, std::less<>> lists;
  DurationWords hours, minutes, seconds;
  std::vector<std::string> duration_joins;
  std::vector<Phrase> half_degrees;  // "{n} and a half degrees"; may be empty
  std::string point;                 // between the words of 20.5; may be empty
  std::vector<Phrase> pairs;         // {first} {second}: two names or rooms of one request
  std::vector<SmallTalk> small_talk;
  std::map<std::string, SituationWords, std::less<>> situations;
  std::vector<std::string> lacks;  // situations that the pack does without

  // The words of `key`. Requires: a list of the specification.
  const std::vector<Phrase>& List(std::string_view key) const;
  // nullptr where the pack has no such kind.
  const DeviceWords* Device(std::string_view kind) const;
  // By "domain.device_class", else by domain; nullptr where neither is there.
  const std::map<std::string, std::vector<Phrase>>* States(std::string_view domain,
                                                           std::string_view device_class) const;
};

// The key of `devices`: "cover.curtain", "light".
std::string DeviceKind(std::string_view domain, std::string_view device_class);

// kInvalidArgument names the key.
Result<LanguagePack> ParseLanguagePack(const Json& json);

// Everything that the specification asks for and the pack lacks or has wrong, one sentence each; empty when
// it is complete.
std::vector<std::string> LanguagePackFaults(const LanguagePack& pack);

// Tags of the packs compiled in, sorted.
std::vector<std::string> BuiltinLanguages();
// kNotFound for a language without a pack.
Result<LanguagePack> LoadBuiltinLanguage(std::string_view language);

}  // namespace mimo
