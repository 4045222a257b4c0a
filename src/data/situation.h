#pragma once
// The situations that training conversations are made of, independent of language. To add one, add a row to
// the table in situation.cc and its phrases to the packs.

#include <span>
#include <string_view>
#include <vector>

namespace mimo {

// Which device a request means, and what of it the call says.
enum class SituationTarget {
  kNothing,   // "pause", "what time is it"
  kName,      // one device by its name: name, domain, and a binary_sensor's device_class
  kNameOnly,  // one device by its name: name alone
  kClass,     // all of a kind: domain, and the device_class of covers and binary_sensors
  kDomain,    // some device of the kind must be there, the call says nothing of it
};

// What place the request mentions, which is what the call says.
enum class SituationPlace { kNone, kArea, kFloor, kHere };

// What else the request says.
enum class SituationValue {
  kNone,
  kPosition,          // percent -> position
  kBrightness,        // percent -> brightness
  kBrightnessWord,    // word -> brightness
  kColor,             // word -> color
  kColorTemperature,  // word or Kelvin -> temperature
  kFanSpeed,          // percent -> percentage
  kDegrees,           // -> temperature
  kState,             // -> state
  kDetected,          // what a binary_sensor notices -> state "on"
  kDuration,          // -> hours, minutes, seconds
  kDurationCommand,   // and conversation_command
  kVolume,            // percent -> volume_level
  kVolumeUp,          // percent -> volume_step, positive
  kVolumeDown,        // percent -> volume_step, negative
  kTitle,             // -> search_query
  kTitleClass,        // and media_class
  kItem,              // -> item
  kItemList,          // and the list's name
  kMessage,           // -> message
  kLimit,             // percent -> limit
  kPlace,             // -> destination
  kRecipient,         // -> recipient, message
  kReminder,          // event -> text, time
  kEvent,             // event -> summary, time
  kTime,              // -> time, if the phrase says it
};

// Which of the home's timers the request mentions.
enum class SituationTimer { kNone, kAny, kNew, kNewNamed, kNamed, kArea, kStart };

// What the user does with the sentence: only commands are said politely and joined.
enum class SituationMood { kCommand, kQuestion, kRemark };

struct Situation {
  std::string_view name;  // the key in the packs
  std::string_view tool;  // empty: no call
  SituationTarget target = SituationTarget::kNothing;
  SituationPlace place = SituationPlace::kNone;
  std::string_view kinds = {};  // of the device: domains, separated by blanks
  SituationValue value = SituationValue::kNone;
  SituationTimer timer = SituationTimer::kNone;
  std::string_view fixed = {};  // arguments that are always the same, as JSON
  SituationMood mood = SituationMood::kCommand;
  double weight = 1;  // how often, where the home has what it needs
};

// Those drawn by weight, in the order of the specification.
std::span<const Situation> Situations();

// Those that the generator makes in ways of its own, in shares of all turns.
struct SpecialSituation {
  enum class Kind {
    kSmallTalk,
    kNoDevice,
    kNoTool,
    kUnknown,
    kClarify,
    kTwoJoin,
    kThreeJoin,
    kPair,
    kRepeat
  };
  std::string_view name;
  Kind kind;
  double share;
};
std::span<const SpecialSituation> SpecialSituations();

// Slots that a situation's phrases and replies may use; {result} in replies alone.
std::vector<std::string_view> SituationSlots(std::string_view name);

}  // namespace mimo
