#include "home/home_simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "home/device_state.h"
#include "home/home_testutil.h"
#include "home/home_tools.h"
#include "home/simulator_call.h"

namespace mimo {
namespace {

using testing::HasSubstr;

class HomeSimulator : public testing::Test {
 protected:
  ToolOutcome Call(const std::string& name, Json arguments = Json::object()) {
    const std::string before = DumpJson(HomeToJson(home_));
    const ToolOutcome outcome = ApplyToolCall(home_, {"", name, std::move(arguments)}, context_);
    // A law of every call: `changed` is what happened to the home, and a failed call leaves it alone.
    EXPECT_EQ(outcome.changed, DumpJson(HomeToJson(home_)) != before) << name << ": " << outcome.text;
    EXPECT_TRUE(outcome.ok || !outcome.changed);
    EXPECT_FALSE(outcome.text.empty());
    return outcome;
  }

  const HomeDevice& Device(const std::string& id) { return DeviceById(home_, id); }

  Home home_ = TestHome();
  CallContext context_;
};

TEST_F(HomeSimulator, HasAHandlerForEveryToolOfTheCatalogue) {
  for (const HomeTool& tool : HomeToolCatalogue()) {
    EXPECT_THAT(Call(tool.definition.name).text, testing::Not(HasSubstr("no such tool")));
  }
}

TEST_F(HomeSimulator, RefusesWhatTheCatalogueDoesNotAllow) {
  EXPECT_EQ(Call("HassFly").text, "no such tool: HassFly");
  EXPECT_EQ(Call("HassTurnOn", {{"where", "Studio"}}).text, "no such argument: where");
  EXPECT_EQ(Call("HassLightSet", {{"brightness", "bright"}}).text, "brightness must be of type integer");
  EXPECT_EQ(Call("HassLightSet", {{"brightness", 12.5}}).text, "brightness must be of type integer");
  EXPECT_EQ(Call("HassLightSet", {{"brightness", 101}}).text, "brightness must be from 0 to 100");
  EXPECT_EQ(Call("HassTurnOn", Json::array()).text, "the arguments must be an object");
  EXPECT_EQ(Call("HassTurnOn", {{"name", "Beacon"}}).text, "no such device: Beacon");
  EXPECT_FALSE(Call("HassTurnOn").ok);
}

TEST_F(HomeSimulator, SwitchesByNameAndByRoom) {
  EXPECT_EQ(Call("HassTurnOn", {{"name", "easel lamp"}}).text, "done: Easel Lamp");
  EXPECT_EQ(Device("light.easel").state, "on");
  EXPECT_TRUE(Call("HassTurnOff", {{"area", "Studio"}, {"domain", "light"}}).changed);
  EXPECT_EQ(Device("light.easel").state, "off");
  EXPECT_EQ(Device("light.strip").state, "off");
  EXPECT_FALSE(Call("HassTurnOff", {{"area", "Studio"}, {"domain", "light"}}).changed);
}

TEST_F(HomeSimulator, LeavesLocksAloneWhereOnlyARoomIsNamed) {
  EXPECT_FALSE(Call("HassTurnOff", {{"area", "Shed"}}).ok);
  EXPECT_EQ(Device("lock.shed").state, "locked");
}

TEST_F(HomeSimulator, OpensCoversAndLocksLocks) {
  EXPECT_TRUE(Call("HassTurnOn", {{"device_class", "blind"}}).changed);
  EXPECT_EQ(Device("cover.loft").state, "open");
  EXPECT_EQ(NumberAttribute(Device("cover.loft"), "position"), 100);
  EXPECT_TRUE(Call("HassTurnOff", {{"name", "Padlock"}}).changed);
  EXPECT_EQ(Device("lock.shed").state, "unlocked");
}

TEST_F(HomeSimulator, StartsScenesButCannotStopThem) {
  EXPECT_TRUE(Call("HassTurnOn", {{"name", "Focus"}, {"domain", "scene"}}).ok);
  EXPECT_FALSE(Call("HassTurnOff", {{"name", "Focus"}}).ok);
}

TEST_F(HomeSimulator, SetsLightsInTheSpeakersRoom) {
  context_.speaker_area = "Loft";
  EXPECT_EQ(Call("HassLightSet", {{"brightness", 25}}).text, "done: Skylight Lamp");
  EXPECT_EQ(Device("light.loft").state, "on");
  EXPECT_EQ(NumberAttribute(Device("light.loft"), "brightness"), 25);
  EXPECT_TRUE(Call("HassLightSet", {{"name", "Skylight Lamp"}, {"color", "teal"}}).changed);
  EXPECT_TRUE(Call("HassLightSet", {{"name", "Skylight Lamp"}, {"temperature", 4000}}).changed);
  EXPECT_EQ(TextAttribute(Device("light.loft"), "color"), "");
}

TEST_F(HomeSimulator, SetsPositionSpeedAndTemperature) {
  EXPECT_TRUE(Call("HassSetPosition", {{"name", "Roller"}, {"position", 30}}).changed);
  EXPECT_EQ(Device("cover.loft").state, "open");
  EXPECT_TRUE(Call("HassFanSetSpeed", {{"area", "Pantry"}, {"percentage", 70}}).changed);
  EXPECT_EQ(Device("fan.pantry").state, "on");
  EXPECT_TRUE(Call("HassClimateSetTemperature", {{"temperature", 21.5}}).changed);
  EXPECT_EQ(NumberAttribute(Device("climate.studio"), "temperature"), 21.5);
}

TEST_F(HomeSimulator, SendsMachinesOutAndHome) {
  EXPECT_TRUE(Call("HassVacuumCleanArea", {{"area", "pantry"}}).changed);
  EXPECT_EQ(TextAttribute(Device("vacuum.dusty"), "cleaning_area"), "Pantry");
  EXPECT_TRUE(Call("HassVacuumReturnToBase").changed);
  EXPECT_FALSE(Call("HassVacuumCleanArea", {{"area", "Moon"}}).ok);
  EXPECT_TRUE(Call("HassLawnMowerStartMowing", {{"name", "Clip"}}).changed);
  EXPECT_EQ(Device("lawn_mower.clip").state, "mowing");
}

TEST_F(HomeSimulator, AnswersForOneDeviceWithItsState) {
  EXPECT_EQ(Call("HassGetState", {{"name", "Shed Thermometer"}}).text, "4.5 °C");
  EXPECT_EQ(Call("HassGetState", {{"name", "Hatch"}, {"state", "open"}}).text, "open");
  EXPECT_EQ(Call("HassGetState", {{"name", "Strip"}}).text, "on, brightness 40");
  EXPECT_EQ(Call("HassGetState", {{"name", "Noor"}, {"domain", "person"}}).text, "not_home");
}

TEST_F(HomeSimulator, AnswersForSeveralDevicesWithCountsOrGroups) {
  EXPECT_EQ(Call("HassGetState", {{"domain", "light"}, {"state", "on"}}).text, "on 1 of 3: Strip");
  EXPECT_EQ(Call("HassGetState", {{"domain", "light"}, {"state", "blinking"}}).text, "blinking 0 of 3");
  EXPECT_EQ(Call("HassGetState", {{"domain", "light"}}).text, "off: Easel Lamp, Skylight Lamp; on: Strip");
}

TEST_F(HomeSimulator, AnswersForClimateWeatherAndTime) {
  context_.unix_seconds = 1'709'210'100;  // 2024-02-29 12:35
  EXPECT_EQ(Call("HassClimateGetTemperature").text, "19.5 °C");
  EXPECT_EQ(Call("HassClimateGetTemperature", {{"area", "Shed"}}).text, "4.5 °C");
  EXPECT_EQ(Call("HassGetWeather").text, "rainy, 12 °C");
  EXPECT_EQ(Call("HassGetCurrentTime").text, "12:35");
  EXPECT_EQ(Call("HassGetCurrentDate").text, "Thursday 2024-02-29");
}

TEST_F(HomeSimulator, RunsATimerThroughItsLife) {
  context_.speaker_area = "Studio";
  EXPECT_EQ(Call("HassStartTimer", {{"hours", 1}, {"seconds", 5}}).text, "started: 1 h 5 s");
  EXPECT_EQ(Call("HassTimerStatus").text, "1 h 5 s in Studio: 1 h 5 s left");
  EXPECT_EQ(Call("HassIncreaseTimer", {{"minutes", 2}}).text, "1 h 2 min 5 s left");
  EXPECT_EQ(Call("HassDecreaseTimer", {{"hours", 9}}).text, "0 s left");
  EXPECT_TRUE(Call("HassPauseTimer").changed);
  EXPECT_FALSE(Call("HassPauseTimer").changed);
  EXPECT_TRUE(Call("HassUnpauseTimer", {{"area", "Studio"}}).changed);
  EXPECT_TRUE(Call("HassCancelTimer").changed);
  EXPECT_EQ(Call("HassTimerStatus").text, "no timer");
}

TEST_F(HomeSimulator, FindsATimerByNameOrByHowItStarted) {
  Call("HassStartTimer", {{"minutes", 5}, {"name", "glue"}});
  Call("HassStartTimer", {{"minutes", 9}});
  EXPECT_EQ(Call("HassCancelTimer").text, "several timers: glue, 9 min");
  EXPECT_EQ(Call("HassPauseTimer", {{"name", "Glue"}}).text, "paused: glue");
  EXPECT_EQ(Call("HassCancelTimer", {{"start_minutes", 9}}).text, "cancelled: 9 min");
  EXPECT_EQ(Call("HassCancelTimer", {{"name", "paint"}}).text, "no such timer");
  EXPECT_EQ(Call("HassCancelAllTimers").text, "cancelled 1");
}

TEST_F(HomeSimulator, RefusesDurationsThatMakeNoSense) {
  EXPECT_FALSE(Call("HassStartTimer").ok);
  EXPECT_FALSE(Call("HassStartTimer", {{"minutes", -3}}).ok);
  EXPECT_FALSE(Call("HassStartTimer", {{"hours", 1e15}}).ok);
}

TEST_F(HomeSimulator, PlaysPausesAndTurnsTheVolume) {
  EXPECT_TRUE(Call("HassMediaPause").changed);
  EXPECT_EQ(Device("media_player.radio").state, "paused");
  EXPECT_TRUE(Call("HassMediaUnpause", {{"area", "Studio"}}).changed);
  EXPECT_TRUE(Call("HassMediaNext").changed);
  EXPECT_TRUE(Call("HassMediaPrevious").changed);
  EXPECT_TRUE(Call("HassMediaPlayerMute").changed);
  EXPECT_TRUE(Call("HassMediaPlayerUnmute").changed);
  Call("HassSetVolumeRelative", {{"volume_step", "up"}});
  EXPECT_EQ(NumberAttribute(Device("media_player.radio"), "volume_level"), 40);
  Call("HassSetVolumeRelative", {{"volume_step", -25}});
  EXPECT_EQ(NumberAttribute(Device("media_player.radio"), "volume_level"), 15);
  Call("HassSetVolume", {{"volume_level", 100}});
  EXPECT_FALSE(Call("HassSetVolumeRelative", {{"volume_step", "20"}}).changed);
  EXPECT_FALSE(Call("HassSetVolumeRelative", {{"volume_step", "sideways"}}).ok);
  EXPECT_EQ(Call("HassMediaSearchAndPlay", {{"search_query", "Tidal Song"}}).text,
            "playing Tidal Song on Radio");
}

TEST_F(HomeSimulator, KeepsLists) {
  EXPECT_TRUE(Call("HassListAddItem", {{"item", "post the parcel"}, {"name", "errands"}}).changed);
  EXPECT_EQ(Device("todo.errands").state, "1");
  EXPECT_TRUE(Call("HassListCompleteItem", {{"item", "Post the parcel"}, {"name", "Errands"}}).changed);
  EXPECT_EQ(Device("todo.errands").state, "0");
  EXPECT_TRUE(Call("HassListRemoveItem", {{"item", "post the parcel"}}).changed);
  EXPECT_FALSE(Call("HassListRemoveItem", {{"item", "post the parcel"}}).ok);
  EXPECT_TRUE(Call("HassShoppingListAddItem", {{"item", "figs"}}).changed);
  EXPECT_TRUE(Call("HassShoppingListCompleteItem", {{"item", "Figs"}}).changed);
  EXPECT_FALSE(Call("HassListAddItem", {{"item", "figs"}, {"name", "Party"}}).ok);
}

TEST_F(HomeSimulator, KeepsRemindersAndEvents) {
  EXPECT_EQ(Call("AddReminder", {{"text", "water the fern"}, {"time", "18:00"}}).text, "reminder set");
  EXPECT_EQ(Call("CalendarGetEvents").text, "no events");
  EXPECT_TRUE(Call("CalendarAddEvent", {{"summary", "recital"}, {"time", "Friday 19:00"}}).changed);
  EXPECT_EQ(Call("CalendarGetEvents").text, "Friday 19:00 recital");
}

TEST_F(HomeSimulator, PassesMessagesOn) {
  EXPECT_TRUE(Call("HassBroadcast", {{"message", "soup is ready"}}).ok);
  EXPECT_EQ(Call("SendMessage", {{"recipient", "Noor"}, {"message", "late"}}).text, "sent to Noor");
  EXPECT_FALSE(Call("SendMessage", {{"recipient", "Noor"}}).ok);
}

TEST_F(HomeSimulator, CommandsTheCar) {
  EXPECT_TRUE(Call("CarSetCharging", {{"charging", true}, {"limit", 80}}).changed);
  EXPECT_TRUE(Call("CarSetClimate", {{"temperature", 20}}).changed);
  EXPECT_TRUE(Call("CarNavigate", {{"destination", "the quarry"}}).changed);
  EXPECT_EQ(Call("CarGetStatus").text,
            "parked, battery 61%, range 240 km, charge limit 80%, charging, climate on, to the quarry");
  EXPECT_FALSE(Call("CarSetCharging").ok);
}

TEST(IsInState, KnowsOtherWordsForAState) {
  const Home home = TestHome();
  EXPECT_TRUE(IsInState(DeviceById(home, "binary_sensor.hatch"), "open"));
  EXPECT_TRUE(IsInState(DeviceById(home, "binary_sensor.hatch"), "ON"));
  EXPECT_TRUE(IsInState(DeviceById(home, "media_player.radio"), "on"));
  EXPECT_FALSE(IsInState(DeviceById(home, "climate.studio"), "off"));
  EXPECT_TRUE(IsInState(DeviceById(home, "person.noor"), "away"));
}

}  // namespace
}  // namespace mimo
