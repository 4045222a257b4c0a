// What a language pack must hold (docs/formats/language-pack.md), as a list of what it does not.

#include <algorithm>
#include <array>

#include "data/language_pack.h"
#include "data/situation.h"

namespace mimo {
namespace {

constexpr size_t kNumNumbers = 101;
constexpr size_t kTextsPerSituationMin = 24;  // with all alternatives
constexpr size_t kPhrasesPerSituationMin = 12;
constexpr size_t kRepliesPerSituationMin = 4;

struct ListMinimum {
  std::string_view key;
  size_t count;
};
constexpr std::array<ListMinimum, 14> kListMinima = {{{"first_names", 20},
                                                      {"brands", 8},
                                                      {"places", 20},
                                                      {"topics", 20},
                                                      {"system_prompts", 4},
                                                      {"timer_names", 12},
                                                      {"list_items", 60},
                                                      {"list_names", 8},
                                                      {"messages", 40},
                                                      {"titles", 40},
                                                      {"events", 20},
                                                      {"percent", 2},
                                                      {"degrees", 2},
                                                      {"clock_times", 4}}};

constexpr std::string_view kDeviceKinds[] = {"light",
                                             "switch",
                                             "fan",
                                             "lock",
                                             "valve",
                                             "climate",
                                             "media_player",
                                             "vacuum",
                                             "lawn_mower",
                                             "scene",
                                             "script",
                                             "todo",
                                             "weather",
                                             "person",
                                             "car",
                                             "cover.curtain",
                                             "cover.blind",
                                             "cover.shutter",
                                             "cover.awning",
                                             "cover.garage",
                                             "cover.gate",
                                             "cover.door",
                                             "cover.window",
                                             "cover.shade",
                                             "cover.damper",
                                             "sensor.temperature",
                                             "sensor.humidity",
                                             "sensor.battery",
                                             "sensor.power",
                                             "sensor.energy",
                                             "sensor.carbon_dioxide",
                                             "sensor.pm25",
                                             "sensor.illuminance",
                                             "sensor.pressure",
                                             "sensor.wind_speed",
                                             "sensor.weight",
                                             "sensor.distance",
                                             "sensor.duration",
                                             "binary_sensor.window",
                                             "binary_sensor.door",
                                             "binary_sensor.opening",
                                             "binary_sensor.garage_door",
                                             "binary_sensor.lock",
                                             "binary_sensor.motion",
                                             "binary_sensor.occupancy",
                                             "binary_sensor.presence",
                                             "binary_sensor.moisture",
                                             "binary_sensor.smoke",
                                             "binary_sensor.gas",
                                             "binary_sensor.carbon_monoxide",
                                             "binary_sensor.battery",
                                             "binary_sensor.battery_charging",
                                             "binary_sensor.connectivity",
                                             "binary_sensor.plug",
                                             "binary_sensor.power",
                                             "binary_sensor.running",
                                             "binary_sensor.update",
                                             "binary_sensor.vibration",
                                             "binary_sensor.sound",
                                             "binary_sensor.light",
                                             "binary_sensor.heat",
                                             "binary_sensor.cold",
                                             "binary_sensor.problem",
                                             "binary_sensor.safety",
                                             "binary_sensor.tamper"};

class FaultFinder {
 public:
  explicit FaultFinder(const LanguagePack& pack) : pack_(pack) {}

  std::vector<std::string> Find() {
    CheckLists();
    CheckDevices();
    CheckDurations();
    for (const Situation& situation : Situations()) CheckSituation(situation.name);
    for (const SpecialSituation& situation : SpecialSituations()) {
      using Kind = SpecialSituation::Kind;
      const bool has_phrases = situation.kind != Kind::kSmallTalk && situation.kind != Kind::kPair;
      if (has_phrases) CheckSituation(situation.name);
    }
    return std::move(faults_);
  }

 private:
  template <typename... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    faults_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  void CheckCount(std::string_view key, size_t count, size_t minimum) {
    if (count < minimum) Add("'{}' has {} entries; at least {} are needed", key, count, minimum);
  }

  // Every slot must be one of `known`.
  void CheckSlots(std::string_view key, const std::vector<Phrase>& phrases,
                  const std::vector<std::string_view>& known) {
    for (const Phrase& phrase : phrases) {
      for (const std::string& slot : phrase.Slots()) {
        if (std::find(known.begin(), known.end(), slot) == known.end()) {
          std::string fault =
              fmt::format("'{}' has a phrase with the slot {{{}}}, which it cannot fill", key, slot);
          if (faults_.empty() || faults_.back() != fault) faults_.push_back(std::move(fault));
        }
      }
    }
  }

  void CheckLists() {
    if (pack_.numbers.size() != kNumNumbers) Add("'numbers' must have {} entries", kNumNumbers);
    CheckCount("polite", pack_.polite.size(), 8);
    CheckSlots("polite", pack_.polite, {"command"});
    CheckCount("floors", pack_.floors.size(), 4);
    CheckCount("areas", pack_.areas.size(), 40);
    CheckCount("area_phrases", pack_.area_phrases.size(), 1);
    CheckSlots("area_phrases", pack_.area_phrases, {"area"});
    CheckCount("floor_phrases", pack_.floor_phrases.size(), 1);
    CheckSlots("floor_phrases", pack_.floor_phrases, {"floor"});
    CheckCount("here_phrases", pack_.here_phrases.size(), 2);
    CheckSlots("here_phrases", pack_.here_phrases, {});
    CheckCount("colors", pack_.colors.size(), 12);
    CheckCount("media_classes", pack_.media_classes.size(), 7);
    CheckCount("color_temperatures", pack_.color_temperatures.size(), 3);
    CheckCount("brightness_words", pack_.brightness_words.size(), 3);
    CheckCount("small_talk", pack_.small_talk.size(), 25);
    for (const ListMinimum& list : kListMinima) {
      const std::vector<Phrase>& phrases = pack_.List(list.key);
      CheckCount(list.key, phrases.size(), list.count);
      const bool has_number = list.key == "percent" || list.key == "degrees";
      CheckSlots(list.key, phrases,
                 has_number                  ? std::vector<std::string_view>{"n"}
                 : list.key == "clock_times" ? std::vector<std::string_view>{"hour", "minute"}
                                             : std::vector<std::string_view>{});
    }
    CheckSlots("kelvin", pack_.List("kelvin"), {"n"});
    CheckSlots("half_degrees", pack_.half_degrees, {"n"});
    CheckCount("pairs", pack_.pairs.size(), 1);
    CheckSlots("pairs", pack_.pairs, {"first", "second"});
    for (const SmallTalk& talk : pack_.small_talk) {
      CheckCount("small_talk.user", talk.user.size(), 1);
      CheckCount("small_talk.reply", talk.replies.size(), 1);
      CheckSlots("small_talk.user", talk.user, {});
      CheckSlots("small_talk.reply", talk.replies, {});
    }
  }

  void CheckDevices() {
    for (const std::string_view kind : kDeviceKinds) {
      const DeviceWords* words = pack_.Device(kind);
      if (words == nullptr) {
        Add("'devices.{}' is missing", kind);
        continue;
      }
      CheckCount(kind, words->names.size(), 1);
      CheckCount(kind, words->singular.size(), 1);
      CheckCount(kind, words->plural.size(), 1);
      CheckSlots(kind, words->names, {"area", "person", "syllables"});
      CheckSlots(kind, words->singular, {});
      CheckSlots(kind, words->plural, {});
      CheckSlots(kind, words->detected, {});
    }
    for (const auto& [kind, states] : pack_.states) {
      for (const auto& [state, words] : states)
        CheckCount(fmt::format("{}.{}", kind, state), words.size(), 1);
    }
    for (const std::string_view kind :
         {"light", "switch", "fan", "cover.curtain", "lock", "binary_sensor.window"}) {
      const size_t dot = kind.find('.');
      const std::string_view device_class =
          dot == std::string_view::npos ? std::string_view() : kind.substr(dot + 1);
      if (pack_.States(kind.substr(0, dot), device_class) == nullptr) Add("'states.{}' is missing", kind);
    }
  }

  void CheckDurations() {
    for (const DurationWords* words : {&pack_.hours, &pack_.minutes, &pack_.seconds}) {
      CheckCount("durations.one", words->one.size(), 1);
      CheckCount("durations.many", words->many.size(), 1);
      for (const auto* phrases : {&words->one, &words->many, &words->half, &words->and_half, &words->fives}) {
        CheckSlots("durations", *phrases, {"n"});
      }
    }
    CheckCount("durations.joins", pack_.duration_joins.size(), 1);
  }

  void CheckSituation(std::string_view name) {
    const bool is_lacking = std::find(pack_.lacks.begin(), pack_.lacks.end(), name) != pack_.lacks.end();
    const auto found = pack_.situations.find(name);
    if (found == pack_.situations.end()) {
      if (!is_lacking) Add("'situations.{}' is missing", name);
      return;
    }
    if (is_lacking) Add("'lacks' names {}, which is there", name);
    const SituationWords& words = found->second;
    double texts = 0;
    for (const Phrase& phrase : words.phrases) texts += phrase.Count();
    for (const Phrase& phrase : words.remarks) texts += phrase.Count();
    const size_t num_phrases = words.phrases.size() + words.remarks.size();
    if (num_phrases < kPhrasesPerSituationMin && texts < kTextsPerSituationMin) {
      Add("'situations.{}' has {} phrases and remarks with {} texts; at least {} are needed", name,
          num_phrases, texts, kPhrasesPerSituationMin);
    }
    if (words.phrases.empty()) Add("'situations.{}' has remarks alone; a phrase is needed", name);
    double replies = 0;
    for (const Phrase& phrase : words.replies) replies += phrase.Count();
    if (name != "repeat.after_me" && replies < kRepliesPerSituationMin) {
      Add("'situations.{}' has {} replies; at least {} are needed", name, replies, kRepliesPerSituationMin);
    }
    std::vector<std::string_view> slots = SituationSlots(name);
    CheckSlots(name, words.phrases, slots);
    CheckSlots(name, words.remarks, slots);
    slots.push_back("result");
    CheckSlots(name, words.replies, slots);
  }

  const LanguagePack& pack_;
  std::vector<std::string> faults_;
};

}  // namespace

std::vector<std::string> LanguagePackFaults(const LanguagePack& pack) { return FaultFinder(pack).Find(); }

}  // namespace mimo
