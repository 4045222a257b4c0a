#include "data/result_text.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

std::string Said(const std::string& language, const std::string& tool, Json arguments,
                 const std::string& result) {
  const LanguagePack pack = *LoadBuiltinLanguage(language);
  Random random(1);
  return ResultInWords(pack, random, ToolCall{"", tool, std::move(arguments)}, result);
}

TEST(ResultInWords, SaysStatesInTheWordsOfTheKind) {
  EXPECT_EQ(Said("en", "HassGetState", {{"domain", "light"}}, "on, brightness 40"), "on");
  EXPECT_EQ(Said("en", "HassGetState", {{"domain", "binary_sensor"}, {"device_class", "moisture"}}, "off"),
            "dry");
  EXPECT_EQ(Said("en", "HassGetState", {{"domain", "binary_sensor"}, {"device_class", "window"}}, "closed"),
            "closed");
  EXPECT_EQ(Said("zh", "HassGetState", {{"domain", "lock"}}, "locked"), "锁着");
}

TEST(ResultInWords, TellsCountsAsAFraction) {
  EXPECT_EQ(Said("en", "HassGetState", {{"domain", "light"}}, "off 2 of 5: Ceiling, Strip"),
            "off 2/5: Ceiling, Strip");
  EXPECT_EQ(Said("zh", "HassGetState", {{"domain", "light"}}, "on 0 of 3"), "开着 0/3");
}

TEST(ResultInWords, TellsWhatIsLeftOfTimers) {
  EXPECT_EQ(Said("en", "HassTimerStatus", Json::object(), "tea: 1 h 5 min left, paused"), "1 hour 5 minutes");
  EXPECT_EQ(Said("zh", "HassTimerStatus", Json::object(), "tea: 3 min 2 s left; 1 h in 厨房: 40 s left"),
            "tea：3分钟2秒；1小时 (厨房)：40秒");
  EXPECT_EQ(Said("en", "HassTimerStatus", Json::object(), "no timer"), "no timer");
}

TEST(ResultInWords, LeavesMeasurementsAndOtherAnswersAlone) {
  EXPECT_EQ(Said("en", "HassGetState", {{"domain", "sensor"}}, "21.5 °C"), "21.5 °C");
  EXPECT_EQ(Said("zh", "HassTurnOn", {{"domain", "light"}}, "done: Ceiling"), "done: Ceiling");
}

}  // namespace
}  // namespace mimo
