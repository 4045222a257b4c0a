#include "data/situation.h"

#include <iterator>
#include <string>

namespace mimo {
namespace {

using enum SituationTarget;
using Place = SituationPlace;
using Timer = SituationTimer;
using Mood = SituationMood;

using enum SituationValue;

constexpr std::string_view kSwitched = "light switch fan climate media_player";
constexpr std::string_view kGrouped = "light fan switch";
constexpr std::string_view kAsked =
    "light switch fan lock cover valve media_player climate vacuum lawn_mower binary_sensor";
constexpr std::string_view kAskedGroups = "light switch fan lock cover binary_sensor";
constexpr std::string_view kPositioned = "cover valve";

// One line each: reading the table across is the point of it.
// clang-format off
constexpr Situation kSituations[] = {
    {.name = "turn_on.name", .tool = "HassTurnOn", .target = kName, .kinds = kSwitched, .weight = 8},
    {.name = "turn_off.name", .tool = "HassTurnOff", .target = kName, .kinds = kSwitched, .weight = 8},
    {.name = "turn_on.name_area", .tool = "HassTurnOn", .target = kName, .place = Place::kArea, .kinds = kSwitched, .weight = 3},
    {.name = "turn_off.name_area", .tool = "HassTurnOff", .target = kName, .place = Place::kArea, .kinds = kSwitched, .weight = 3},
    {.name = "turn_on.name_floor", .tool = "HassTurnOn", .target = kName, .place = Place::kFloor, .kinds = kSwitched, .weight = 2.5},
    {.name = "turn_off.name_floor", .tool = "HassTurnOff", .target = kName, .place = Place::kFloor, .kinds = kSwitched, .weight = 2.5},
    {.name = "turn_on.area", .tool = "HassTurnOn", .target = kClass, .place = Place::kArea, .kinds = kGrouped, .weight = 6},
    {.name = "turn_off.area", .tool = "HassTurnOff", .target = kClass, .place = Place::kArea, .kinds = kGrouped, .weight = 6},
    {.name = "turn_on.light_area", .tool = "HassTurnOn", .target = kClass, .place = Place::kArea, .kinds = "light", .weight = 2},
    {.name = "turn_off.light_area", .tool = "HassTurnOff", .target = kClass, .place = Place::kArea, .kinds = "light", .weight = 2},
    {.name = "turn_on.floor", .tool = "HassTurnOn", .target = kClass, .place = Place::kFloor, .kinds = kGrouped, .weight = 3},
    {.name = "turn_off.floor", .tool = "HassTurnOff", .target = kClass, .place = Place::kFloor, .kinds = kGrouped, .weight = 3},
    {.name = "turn_on.all", .tool = "HassTurnOn", .target = kClass, .kinds = kGrouped, .weight = 2},
    {.name = "turn_off.all", .tool = "HassTurnOff", .target = kClass, .kinds = kGrouped, .weight = 2},
    {.name = "turn_on.here", .tool = "HassTurnOn", .target = kClass, .place = Place::kHere, .kinds = kGrouped, .weight = 4},
    {.name = "turn_off.here", .tool = "HassTurnOff", .target = kClass, .place = Place::kHere, .kinds = kGrouped, .weight = 4},
    {.name = "turn_on.light_here", .tool = "HassTurnOn", .target = kClass, .place = Place::kHere, .kinds = "light", .weight = 2},
    {.name = "turn_off.light_here", .tool = "HassTurnOff", .target = kClass, .place = Place::kHere, .kinds = "light", .weight = 2},

    {.name = "open.name", .tool = "HassTurnOn", .target = kName, .kinds = kPositioned, .weight = 4},
    {.name = "close.name", .tool = "HassTurnOff", .target = kName, .kinds = kPositioned, .weight = 4},
    {.name = "open.name_area", .tool = "HassTurnOn", .target = kName, .place = Place::kArea, .kinds = kPositioned, .weight = 2},
    {.name = "close.name_area", .tool = "HassTurnOff", .target = kName, .place = Place::kArea, .kinds = kPositioned, .weight = 2},
    {.name = "open.name_floor", .tool = "HassTurnOn", .target = kName, .place = Place::kFloor, .kinds = kPositioned, .weight = 2.5},
    {.name = "close.name_floor", .tool = "HassTurnOff", .target = kName, .place = Place::kFloor, .kinds = kPositioned, .weight = 2.5},
    {.name = "open.area", .tool = "HassTurnOn", .target = kClass, .place = Place::kArea, .kinds = "cover", .weight = 3},
    {.name = "close.area", .tool = "HassTurnOff", .target = kClass, .place = Place::kArea, .kinds = "cover", .weight = 3},
    {.name = "open.floor", .tool = "HassTurnOn", .target = kClass, .place = Place::kFloor, .kinds = "cover", .weight = 1.5},
    {.name = "close.floor", .tool = "HassTurnOff", .target = kClass, .place = Place::kFloor, .kinds = "cover", .weight = 1.5},
    {.name = "open.all", .tool = "HassTurnOn", .target = kClass, .kinds = "cover", .weight = 1},
    {.name = "close.all", .tool = "HassTurnOff", .target = kClass, .kinds = "cover", .weight = 1},
    {.name = "open.here", .tool = "HassTurnOn", .target = kClass, .place = Place::kHere, .kinds = "cover", .weight = 1.5},
    {.name = "close.here", .tool = "HassTurnOff", .target = kClass, .place = Place::kHere, .kinds = "cover", .weight = 1.5},

    {.name = "lock.name", .tool = "HassTurnOn", .target = kName, .kinds = "lock", .weight = 3},
    {.name = "unlock.name", .tool = "HassTurnOff", .target = kName, .kinds = "lock", .weight = 3},
    {.name = "lock.area", .tool = "HassTurnOn", .target = kClass, .place = Place::kArea, .kinds = "lock", .weight = 1.5},
    {.name = "unlock.area", .tool = "HassTurnOff", .target = kClass, .place = Place::kArea, .kinds = "lock", .weight = 1.5},
    {.name = "lock.here", .tool = "HassTurnOn", .target = kClass, .place = Place::kHere, .kinds = "lock", .weight = 1.5},
    {.name = "unlock.here", .tool = "HassTurnOff", .target = kClass, .place = Place::kHere, .kinds = "lock", .weight = 1.5},
    {.name = "lock.all", .tool = "HassTurnOn", .target = kClass, .kinds = "lock", .weight = 1},
    {.name = "unlock.all", .tool = "HassTurnOff", .target = kClass, .kinds = "lock", .weight = 1},
    {.name = "scene.name", .tool = "HassTurnOn", .target = kName, .kinds = "scene", .weight = 4},
    {.name = "script.name", .tool = "HassTurnOn", .target = kName, .kinds = "script", .weight = 4},

    {.name = "position.name", .tool = "HassSetPosition", .target = kName, .kinds = kPositioned, .value = kPosition, .weight = 3},
    {.name = "position.area", .tool = "HassSetPosition", .target = kClass, .place = Place::kArea, .kinds = "cover", .value = kPosition, .weight = 2},
    {.name = "position.floor", .tool = "HassSetPosition", .target = kClass, .place = Place::kFloor, .kinds = "cover", .value = kPosition, .weight = 2},
    {.name = "position.here", .tool = "HassSetPosition", .target = kClass, .place = Place::kHere, .kinds = "cover", .value = kPosition, .weight = 1},
    {.name = "position.class", .tool = "HassSetPosition", .target = kClass, .kinds = "cover", .value = kPosition, .weight = 1.5},
    {.name = "brightness.name", .tool = "HassLightSet", .target = kName, .kinds = "light", .value = kBrightness, .weight = 3},
    {.name = "brightness.area", .tool = "HassLightSet", .target = kDomain, .place = Place::kArea, .kinds = "light", .value = kBrightness, .weight = 3},
    {.name = "brightness.floor", .tool = "HassLightSet", .target = kDomain, .place = Place::kFloor, .kinds = "light", .value = kBrightness, .weight = 2.5},
    {.name = "brightness.here", .tool = "HassLightSet", .target = kDomain, .place = Place::kHere, .kinds = "light", .value = kBrightness, .weight = 1.5},
    {.name = "brightness.all", .tool = "HassLightSet", .target = kDomain, .kinds = "light", .value = kBrightness, .weight = 1},
    {.name = "brightness_word.name", .tool = "HassLightSet", .target = kName, .kinds = "light", .value = kBrightnessWord, .weight = 1.5},
    {.name = "brightness_word.area", .tool = "HassLightSet", .target = kDomain, .place = Place::kArea, .kinds = "light", .value = kBrightnessWord, .weight = 1.5},
    {.name = "brightness_word.floor", .tool = "HassLightSet", .target = kDomain, .place = Place::kFloor, .kinds = "light", .value = kBrightnessWord, .weight = 2},
    {.name = "brightness_word.here", .tool = "HassLightSet", .target = kDomain, .place = Place::kHere, .kinds = "light", .value = kBrightnessWord, .weight = 1},
    {.name = "brightness_word.all", .tool = "HassLightSet", .target = kDomain, .kinds = "light", .value = kBrightnessWord, .weight = 0.7},
    {.name = "color.name", .tool = "HassLightSet", .target = kName, .kinds = "light", .value = kColor, .weight = 2},
    {.name = "color.area", .tool = "HassLightSet", .target = kDomain, .place = Place::kArea, .kinds = "light", .value = kColor, .weight = 2},
    {.name = "color.floor", .tool = "HassLightSet", .target = kDomain, .place = Place::kFloor, .kinds = "light", .value = kColor, .weight = 2.5},
    {.name = "color.here", .tool = "HassLightSet", .target = kDomain, .place = Place::kHere, .kinds = "light", .value = kColor, .weight = 1},
    {.name = "color.all", .tool = "HassLightSet", .target = kDomain, .kinds = "light", .value = kColor, .weight = 1},
    {.name = "color_temperature.name", .tool = "HassLightSet", .target = kName, .kinds = "light", .value = kColorTemperature, .weight = 1.5},
    {.name = "color_temperature.area", .tool = "HassLightSet", .target = kDomain, .place = Place::kArea, .kinds = "light", .value = kColorTemperature, .weight = 1.5},
    {.name = "color_temperature.floor", .tool = "HassLightSet", .target = kDomain, .place = Place::kFloor, .kinds = "light", .value = kColorTemperature, .weight = 2},
    {.name = "color_temperature.here", .tool = "HassLightSet", .target = kDomain, .place = Place::kHere, .kinds = "light", .value = kColorTemperature, .weight = 1},
    {.name = "color_temperature.all", .tool = "HassLightSet", .target = kDomain, .kinds = "light", .value = kColorTemperature, .weight = 0.7},

    {.name = "fan_speed.name", .tool = "HassFanSetSpeed", .target = kName, .kinds = "fan", .value = kFanSpeed, .weight = 3},
    {.name = "fan_speed.area", .tool = "HassFanSetSpeed", .target = kDomain, .place = Place::kArea, .kinds = "fan", .value = kFanSpeed, .weight = 2},
    {.name = "fan_speed.floor", .tool = "HassFanSetSpeed", .target = kDomain, .place = Place::kFloor, .kinds = "fan", .value = kFanSpeed, .weight = 2.5},
    {.name = "fan_speed.here", .tool = "HassFanSetSpeed", .target = kDomain, .place = Place::kHere, .kinds = "fan", .value = kFanSpeed, .weight = 2},
    {.name = "climate_set.plain", .tool = "HassClimateSetTemperature", .target = kDomain, .kinds = "climate", .value = kDegrees, .weight = 3},
    {.name = "climate_set.area", .tool = "HassClimateSetTemperature", .target = kDomain, .place = Place::kArea, .kinds = "climate", .value = kDegrees, .weight = 3},
    {.name = "climate_set.floor", .tool = "HassClimateSetTemperature", .target = kDomain, .place = Place::kFloor, .kinds = "climate", .value = kDegrees, .weight = 3},
    {.name = "climate_set.here", .tool = "HassClimateSetTemperature", .target = kDomain, .place = Place::kHere, .kinds = "climate", .value = kDegrees, .weight = 1.5},
    {.name = "climate_set.name", .tool = "HassClimateSetTemperature", .target = kNameOnly, .kinds = "climate", .value = kDegrees, .weight = 2},
    {.name = "climate_get.plain", .tool = "HassClimateGetTemperature", .target = kDomain, .kinds = "climate", .mood = Mood::kQuestion, .weight = 2},
    {.name = "climate_get.area", .tool = "HassClimateGetTemperature", .target = kDomain, .place = Place::kArea, .kinds = "climate", .mood = Mood::kQuestion, .weight = 3},
    {.name = "climate_get.floor", .tool = "HassClimateGetTemperature", .target = kDomain, .place = Place::kFloor, .kinds = "climate", .mood = Mood::kQuestion, .weight = 3},
    {.name = "climate_get.here", .tool = "HassClimateGetTemperature", .target = kDomain, .place = Place::kHere, .kinds = "climate", .mood = Mood::kQuestion, .weight = 1.5},
    {.name = "climate_get.name", .tool = "HassClimateGetTemperature", .target = kNameOnly, .kinds = "climate", .mood = Mood::kQuestion, .weight = 2},

    {.name = "state.name", .tool = "HassGetState", .target = kName, .kinds = kAsked, .value = kState, .mood = Mood::kQuestion, .weight = 6},
    {.name = "state.name_area", .tool = "HassGetState", .target = kName, .place = Place::kArea, .kinds = kAsked, .value = kState, .mood = Mood::kQuestion, .weight = 2},
    {.name = "state.name_floor", .tool = "HassGetState", .target = kName, .place = Place::kFloor, .kinds = kAsked, .value = kState, .mood = Mood::kQuestion, .weight = 2.5},
    {.name = "state.status", .tool = "HassGetState", .target = kName, .kinds = kAsked, .mood = Mood::kQuestion, .weight = 3},
    {.name = "state.value", .tool = "HassGetState", .target = kName, .kinds = "sensor", .mood = Mood::kQuestion, .weight = 5},
    {.name = "state.which", .tool = "HassGetState", .target = kClass, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 2},
    {.name = "state.any", .tool = "HassGetState", .target = kClass, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 2},
    {.name = "state.all", .tool = "HassGetState", .target = kClass, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 2},
    {.name = "state.how_many", .tool = "HassGetState", .target = kClass, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 2},
    {.name = "state.which_area", .tool = "HassGetState", .target = kClass, .place = Place::kArea, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 2},
    {.name = "state.any_area", .tool = "HassGetState", .target = kClass, .place = Place::kArea, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 2},
    {.name = "state.all_area", .tool = "HassGetState", .target = kClass, .place = Place::kArea, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 2},
    {.name = "state.how_many_area", .tool = "HassGetState", .target = kClass, .place = Place::kArea, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 2},
    {.name = "state.any_floor", .tool = "HassGetState", .target = kClass, .place = Place::kFloor, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 1.5},
    {.name = "state.all_floor", .tool = "HassGetState", .target = kClass, .place = Place::kFloor, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 1.5},
    {.name = "state.which_floor", .tool = "HassGetState", .target = kClass, .place = Place::kFloor, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 1.5},
    {.name = "state.how_many_floor", .tool = "HassGetState", .target = kClass, .place = Place::kFloor, .kinds = kAskedGroups, .value = kState, .mood = Mood::kQuestion, .weight = 1.5},
    {.name = "state.detected", .tool = "HassGetState", .target = kClass, .kinds = "binary_sensor", .value = kDetected, .mood = Mood::kQuestion, .weight = 3},
    {.name = "state.detected_area", .tool = "HassGetState", .target = kClass, .place = Place::kArea, .kinds = "binary_sensor", .value = kDetected, .mood = Mood::kQuestion, .weight = 3},
    {.name = "person.where", .tool = "HassGetState", .target = kName, .kinds = "person", .mood = Mood::kQuestion, .weight = 2},
    {.name = "person.is_home", .tool = "HassGetState", .target = kName, .kinds = "person", .fixed = R"({"state":"home"})", .mood = Mood::kQuestion, .weight = 1},
    {.name = "person.is_away", .tool = "HassGetState", .target = kName, .kinds = "person", .fixed = R"({"state":"not_home"})", .mood = Mood::kQuestion, .weight = 0.7},
    {.name = "weather.plain", .tool = "HassGetWeather", .target = kDomain, .kinds = "weather", .mood = Mood::kQuestion, .weight = 3},
    {.name = "weather.name", .tool = "HassGetWeather", .target = kNameOnly, .kinds = "weather", .mood = Mood::kQuestion, .weight = 5},
    {.name = "time.now", .tool = "HassGetCurrentTime", .mood = Mood::kQuestion, .weight = 1},
    {.name = "date.now", .tool = "HassGetCurrentDate", .mood = Mood::kQuestion, .weight = 1},

    {.name = "timer.start", .tool = "HassStartTimer", .value = kDuration, .timer = Timer::kNew, .weight = 4},
    {.name = "timer.start_name", .tool = "HassStartTimer", .value = kDuration, .timer = Timer::kNewNamed, .weight = 3},
    {.name = "timer.command", .tool = "HassStartTimer", .value = kDurationCommand, .timer = Timer::kNew, .weight = 2},
    {.name = "timer.increase", .tool = "HassIncreaseTimer", .value = kDuration, .timer = Timer::kAny, .weight = 2},
    {.name = "timer.increase_name", .tool = "HassIncreaseTimer", .value = kDuration, .timer = Timer::kNamed, .weight = 2.5},
    {.name = "timer.increase_area", .tool = "HassIncreaseTimer", .value = kDuration, .timer = Timer::kArea, .weight = 4},
    {.name = "timer.increase_start", .tool = "HassIncreaseTimer", .value = kDuration, .timer = Timer::kStart, .weight = 2},
    {.name = "timer.decrease", .tool = "HassDecreaseTimer", .value = kDuration, .timer = Timer::kAny, .weight = 2},
    {.name = "timer.decrease_name", .tool = "HassDecreaseTimer", .value = kDuration, .timer = Timer::kNamed, .weight = 2.5},
    {.name = "timer.decrease_area", .tool = "HassDecreaseTimer", .value = kDuration, .timer = Timer::kArea, .weight = 4},
    {.name = "timer.decrease_start", .tool = "HassDecreaseTimer", .value = kDuration, .timer = Timer::kStart, .weight = 2},
    {.name = "timer.cancel", .tool = "HassCancelTimer", .timer = Timer::kAny, .weight = 1},
    {.name = "timer.cancel_name", .tool = "HassCancelTimer", .timer = Timer::kNamed, .weight = 2.5},
    {.name = "timer.cancel_area", .tool = "HassCancelTimer", .timer = Timer::kArea, .weight = 4},
    {.name = "timer.cancel_start", .tool = "HassCancelTimer", .timer = Timer::kStart, .weight = 2},
    {.name = "timer.pause", .tool = "HassPauseTimer", .timer = Timer::kAny, .weight = 1},
    {.name = "timer.pause_name", .tool = "HassPauseTimer", .timer = Timer::kNamed, .weight = 2.5},
    {.name = "timer.pause_area", .tool = "HassPauseTimer", .timer = Timer::kArea, .weight = 4},
    {.name = "timer.pause_start", .tool = "HassPauseTimer", .timer = Timer::kStart, .weight = 2},
    {.name = "timer.resume", .tool = "HassUnpauseTimer", .timer = Timer::kAny, .weight = 1},
    {.name = "timer.resume_name", .tool = "HassUnpauseTimer", .timer = Timer::kNamed, .weight = 2.5},
    {.name = "timer.resume_area", .tool = "HassUnpauseTimer", .timer = Timer::kArea, .weight = 4},
    {.name = "timer.resume_start", .tool = "HassUnpauseTimer", .timer = Timer::kStart, .weight = 2},
    {.name = "timer.status", .tool = "HassTimerStatus", .timer = Timer::kAny, .mood = Mood::kQuestion, .weight = 1},
    {.name = "timer.status_name", .tool = "HassTimerStatus", .timer = Timer::kNamed, .mood = Mood::kQuestion, .weight = 2.5},
    {.name = "timer.status_area", .tool = "HassTimerStatus", .timer = Timer::kArea, .mood = Mood::kQuestion, .weight = 4},
    {.name = "timer.status_start", .tool = "HassTimerStatus", .timer = Timer::kStart, .mood = Mood::kQuestion, .weight = 2},
    {.name = "timer.cancel_all", .tool = "HassCancelAllTimers", .timer = Timer::kAny, .weight = 1},
    {.name = "timer.cancel_all_area", .tool = "HassCancelAllTimers", .timer = Timer::kArea, .weight = 2.5},

    {.name = "media.next", .tool = "HassMediaNext", .target = kDomain, .kinds = "media_player", .weight = 1.5},
    {.name = "media.next_name", .tool = "HassMediaNext", .target = kNameOnly, .kinds = "media_player", .weight = 1},
    {.name = "media.next_area", .tool = "HassMediaNext", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .weight = 1},
    {.name = "media.previous", .tool = "HassMediaPrevious", .target = kDomain, .kinds = "media_player", .weight = 1.5},
    {.name = "media.previous_name", .tool = "HassMediaPrevious", .target = kNameOnly, .kinds = "media_player", .weight = 1},
    {.name = "media.previous_area", .tool = "HassMediaPrevious", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .weight = 1},
    {.name = "media.pause", .tool = "HassMediaPause", .target = kDomain, .kinds = "media_player", .weight = 1.5},
    {.name = "media.pause_name", .tool = "HassMediaPause", .target = kNameOnly, .kinds = "media_player", .weight = 1},
    {.name = "media.pause_area", .tool = "HassMediaPause", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .weight = 1},
    {.name = "media.resume", .tool = "HassMediaUnpause", .target = kDomain, .kinds = "media_player", .weight = 1.5},
    {.name = "media.resume_name", .tool = "HassMediaUnpause", .target = kNameOnly, .kinds = "media_player", .weight = 1},
    {.name = "media.resume_area", .tool = "HassMediaUnpause", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .weight = 1},
    {.name = "media.mute", .tool = "HassMediaPlayerMute", .target = kDomain, .kinds = "media_player", .weight = 1},
    {.name = "media.mute_name", .tool = "HassMediaPlayerMute", .target = kNameOnly, .kinds = "media_player", .weight = 1},
    {.name = "media.mute_area", .tool = "HassMediaPlayerMute", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .weight = 0.7},
    {.name = "media.unmute", .tool = "HassMediaPlayerUnmute", .target = kDomain, .kinds = "media_player", .weight = 1},
    {.name = "media.unmute_name", .tool = "HassMediaPlayerUnmute", .target = kNameOnly, .kinds = "media_player", .weight = 1},
    {.name = "media.unmute_area", .tool = "HassMediaPlayerUnmute", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .weight = 0.7},
    {.name = "volume.set", .tool = "HassSetVolume", .target = kDomain, .kinds = "media_player", .value = kVolume, .weight = 2},
    {.name = "volume.set_name", .tool = "HassSetVolume", .target = kNameOnly, .kinds = "media_player", .value = kVolume, .weight = 1.5},
    {.name = "volume.set_area", .tool = "HassSetVolume", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .value = kVolume, .weight = 1.5},
    {.name = "volume.set_floor", .tool = "HassSetVolume", .target = kDomain, .place = Place::kFloor, .kinds = "media_player", .value = kVolume, .weight = 2.5},
    {.name = "volume.up", .tool = "HassSetVolumeRelative", .target = kDomain, .kinds = "media_player", .fixed = R"({"volume_step":"up"})", .weight = 1},
    {.name = "volume.up_name", .tool = "HassSetVolumeRelative", .target = kNameOnly, .kinds = "media_player", .fixed = R"({"volume_step":"up"})", .weight = 1},
    {.name = "volume.up_area", .tool = "HassSetVolumeRelative", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .fixed = R"({"volume_step":"up"})", .weight = 1},
    {.name = "volume.up_floor", .tool = "HassSetVolumeRelative", .target = kDomain, .place = Place::kFloor, .kinds = "media_player", .fixed = R"({"volume_step":"up"})", .weight = 3},
    {.name = "volume.down", .tool = "HassSetVolumeRelative", .target = kDomain, .kinds = "media_player", .fixed = R"({"volume_step":"down"})", .weight = 1},
    {.name = "volume.down_name", .tool = "HassSetVolumeRelative", .target = kNameOnly, .kinds = "media_player", .fixed = R"({"volume_step":"down"})", .weight = 1},
    {.name = "volume.down_area", .tool = "HassSetVolumeRelative", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .fixed = R"({"volume_step":"down"})", .weight = 1},
    {.name = "volume.down_floor", .tool = "HassSetVolumeRelative", .target = kDomain, .place = Place::kFloor, .kinds = "media_player", .fixed = R"({"volume_step":"down"})", .weight = 3},
    {.name = "volume.up_by", .tool = "HassSetVolumeRelative", .target = kDomain, .kinds = "media_player", .value = kVolumeUp, .weight = 1},
    {.name = "volume.up_by_name", .tool = "HassSetVolumeRelative", .target = kNameOnly, .kinds = "media_player", .value = kVolumeUp, .weight = 0.7},
    {.name = "volume.down_by", .tool = "HassSetVolumeRelative", .target = kDomain, .kinds = "media_player", .value = kVolumeDown, .weight = 1},
    {.name = "volume.down_by_name", .tool = "HassSetVolumeRelative", .target = kNameOnly, .kinds = "media_player", .value = kVolumeDown, .weight = 0.7},
    {.name = "play.title", .tool = "HassMediaSearchAndPlay", .target = kDomain, .kinds = "media_player", .value = kTitle, .weight = 1},
    {.name = "play.title_name", .tool = "HassMediaSearchAndPlay", .target = kNameOnly, .kinds = "media_player", .value = kTitle, .weight = 1},
    {.name = "play.title_area", .tool = "HassMediaSearchAndPlay", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .value = kTitle, .weight = 1},
    {.name = "play.class", .tool = "HassMediaSearchAndPlay", .target = kDomain, .kinds = "media_player", .value = kTitleClass, .weight = 1},
    {.name = "play.class_name", .tool = "HassMediaSearchAndPlay", .target = kNameOnly, .kinds = "media_player", .value = kTitleClass, .weight = 1},
    {.name = "play.class_area", .tool = "HassMediaSearchAndPlay", .target = kDomain, .place = Place::kArea, .kinds = "media_player", .value = kTitleClass, .weight = 1},

    {.name = "vacuum.start", .tool = "HassVacuumStart", .target = kDomain, .kinds = "vacuum", .weight = 1},
    {.name = "vacuum.start_name", .tool = "HassVacuumStart", .target = kNameOnly, .kinds = "vacuum", .weight = 3},
    {.name = "vacuum.dock", .tool = "HassVacuumReturnToBase", .target = kDomain, .kinds = "vacuum", .weight = 1},
    {.name = "vacuum.dock_name", .tool = "HassVacuumReturnToBase", .target = kNameOnly, .kinds = "vacuum", .weight = 3},
    {.name = "vacuum.area", .tool = "HassVacuumCleanArea", .target = kNothing, .place = Place::kArea, .kinds = "vacuum", .weight = 4},
    {.name = "vacuum.area_name", .tool = "HassVacuumCleanArea", .target = kNameOnly, .place = Place::kArea, .kinds = "vacuum", .weight = 4},
    {.name = "vacuum.here", .tool = "HassVacuumCleanArea", .target = kNothing, .place = Place::kHere, .kinds = "vacuum", .weight = 3},
    {.name = "mower.start", .tool = "HassLawnMowerStartMowing", .target = kDomain, .kinds = "lawn_mower", .weight = 2},
    {.name = "mower.start_name", .tool = "HassLawnMowerStartMowing", .target = kNameOnly, .kinds = "lawn_mower", .weight = 6},
    {.name = "mower.dock", .tool = "HassLawnMowerDock", .target = kDomain, .kinds = "lawn_mower", .weight = 2},
    {.name = "mower.dock_name", .tool = "HassLawnMowerDock", .target = kNameOnly, .kinds = "lawn_mower", .weight = 5},

    {.name = "shopping.add", .tool = "HassShoppingListAddItem", .value = kItem, .weight = 1.5},
    {.name = "shopping.done", .tool = "HassShoppingListCompleteItem", .value = kItem, .weight = 1.5},
    {.name = "list.add", .tool = "HassListAddItem", .target = kNameOnly, .kinds = "todo", .value = kItemList, .weight = 5},
    {.name = "list.done", .tool = "HassListCompleteItem", .target = kNameOnly, .kinds = "todo", .value = kItemList, .weight = 4},
    {.name = "list.remove", .tool = "HassListRemoveItem", .target = kNameOnly, .kinds = "todo", .value = kItemList, .weight = 4},
    {.name = "broadcast.message", .tool = "HassBroadcast", .value = kMessage, .weight = 1.5},
    {.name = "nevermind.plain", .tool = "HassNevermind", .mood = Mood::kRemark, .weight = 1},

    {.name = "car.charge_start", .tool = "CarSetCharging", .target = kDomain, .kinds = "car", .fixed = R"({"charging":true})", .weight = 2},
    {.name = "car.charge_stop", .tool = "CarSetCharging", .target = kDomain, .kinds = "car", .fixed = R"({"charging":false})", .weight = 2},
    {.name = "car.charge_limit", .tool = "CarSetCharging", .target = kDomain, .kinds = "car", .value = kLimit, .weight = 2},
    {.name = "car.climate_on", .tool = "CarSetClimate", .target = kDomain, .kinds = "car", .fixed = R"({"on":true})", .weight = 2},
    {.name = "car.climate_off", .tool = "CarSetClimate", .target = kDomain, .kinds = "car", .fixed = R"({"on":false})", .weight = 2},
    {.name = "car.climate_set", .tool = "CarSetClimate", .target = kDomain, .kinds = "car", .value = kDegrees, .weight = 2},
    {.name = "car.navigate", .tool = "CarNavigate", .target = kDomain, .kinds = "car", .value = kPlace, .weight = 3},
    {.name = "car.status", .tool = "CarGetStatus", .target = kDomain, .kinds = "car", .mood = Mood::kQuestion, .weight = 2},
    {.name = "message.send", .tool = "SendMessage", .value = kRecipient, .weight = 1.5},
    {.name = "reminder.add", .tool = "AddReminder", .value = kReminder, .weight = 1.5},
    {.name = "calendar.add", .tool = "CalendarAddEvent", .value = kEvent, .weight = 1.5},
    {.name = "calendar.ask", .tool = "CalendarGetEvents", .value = kTime, .mood = Mood::kQuestion, .weight = 1},
};
// clang-format on

std::vector<std::string_view> PlaceSlots(SituationPlace place) {
  switch (place) {
    case Place::kNone:
      return {};
    case Place::kArea:
      return {"area", "in_area"};
    case Place::kFloor:
      return {"floor", "in_floor"};
    case Place::kHere:
      return {"here"};
  }
  return {};
}

std::vector<std::string_view> TimerSlots(SituationTimer timer) {
  switch (timer) {
    case Timer::kNewNamed:
    case Timer::kNamed:
      return {"timer"};
    case Timer::kArea:
      return {"area", "in_area"};
    case Timer::kStart:
      return {"start_duration"};
    default:
      return {};
  }
}

std::vector<std::string_view> ValueSlots(SituationValue value) {
  switch (value) {
    case SituationValue::kNone:
      return {};
    case kPosition:
    case kBrightness:
    case kFanSpeed:
    case kVolume:
    case kVolumeUp:
    case kVolumeDown:
    case kLimit:
      return {"percent"};
    case kBrightnessWord:
      return {"brightness_word"};
    case kColor:
      return {"color"};
    case kColorTemperature:
      return {"color_temperature"};
    case kDegrees:
      return {"degrees"};
    case kState:
      return {"state"};
    case kDetected:
      return {"detected"};
    case kDuration:
      return {"duration"};
    case kDurationCommand:
      return {"duration", "command"};
    case kTitle:
      return {"title"};
    case kTitleClass:
      return {"title", "media_class"};
    case kItem:
      return {"item"};
    case kItemList:
      return {"item", "list"};
    case kMessage:
      return {"message"};
    case kPlace:
      return {"place"};
    case kRecipient:
      return {"person", "message"};
    case kReminder:
    case kEvent:
    case kTime:
      return {"event", "time"};
  }
  return {};
}

constexpr SpecialSituation kSpecialSituations[] = {
    {"small_talk", SpecialSituation::Kind::kSmallTalk, 0.02},
    {"unknown.topic", SpecialSituation::Kind::kUnknown, 0.015},
    {"clarify.which", SpecialSituation::Kind::kClarify, 0.015},
    {"no_device.name", SpecialSituation::Kind::kNoDevice, 0.055},
    {"no_tool.request", SpecialSituation::Kind::kNoTool, 0.03},
    {"two.join", SpecialSituation::Kind::kTwoJoin, 0.06},
    {"three.join", SpecialSituation::Kind::kThreeJoin, 0.02},
    {"pair.same", SpecialSituation::Kind::kPair, 0.035},
    {"repeat.after_me", SpecialSituation::Kind::kRepeat, 0.03},
};

}  // namespace

std::span<const Situation> Situations() { return kSituations; }

std::span<const SpecialSituation> SpecialSituations() { return kSpecialSituations; }

std::vector<std::string_view> SituationSlots(std::string_view name) {
  using Slots = std::vector<std::string_view>;
  if (name == "no_device.name") return {"name"};
  if (name == "unknown.topic") return {"topic"};
  if (name == "clarify.which") return {"singular", "plural", "options"};
  if (name == "two.join") return {"first", "second"};
  if (name == "three.join") return {"first", "second", "third"};
  if (name == "repeat.after_me") return {"syllables"};
  Slots slots;
  const auto add = [&slots](const Slots& more) { slots.insert(slots.end(), more.begin(), more.end()); };
  for (const Situation& situation : kSituations) {
    if (situation.name != name) continue;
    if (!situation.kinds.empty()) add({"singular", "plural"});
    if (situation.target != kNothing && situation.target != kClass) {
      add({situation.kinds == "person" ? "person" : "name"});
    }
    add(PlaceSlots(situation.place));
    add(ValueSlots(situation.value));
    add(TimerSlots(situation.timer));
  }
  return slots;
}

}  // namespace mimo
