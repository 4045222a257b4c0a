#include "home/home.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "home/home_testutil.h"
#include "home/home_tools.h"
#include "home/name_pattern.h"

namespace mimo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<Home> Parse(std::string_view text) {
  const Result<Json> json = ParseJson(text);
  EXPECT_TRUE(json.has_value());
  return ParseHome(*json);
}

TEST(NamePattern, ListsAbsentBeforePresentOptions) {
  EXPECT_THAT(NameSpellings("lamp[s]"), ElementsAre("lamp", "lamps"));
}

TEST(NamePattern, CombinesNestedGroups) {
  EXPECT_THAT(NameSpellings("(up(per|most)|top) floor"),
              ElementsAre("upper floor", "upmost floor", "top floor"));
}

TEST(NamePattern, SplitsAlternativesWithoutBrackets) {
  EXPECT_THAT(NameSpellings("hall|corridor[s]"), ElementsAre("hall", "corridor", "corridors"));
}

TEST(NamePattern, LeavesTextWithUnmatchedBracketsAsItIs) {
  EXPECT_THAT(NameSpellings("lamp (left"), ElementsAre("lamp (left"));
  EXPECT_THAT(NameSpellings("lamp] left"), ElementsAre("lamp] left"));
}

TEST(NamePattern, StopsAtTheMostSpellings) {
  EXPECT_EQ(NameSpellings("[a][b][c][d][e][f][g][h][i][j][k][l]").size(), 1024u);
}

TEST(NamePattern, CutsBlanksOfAbsentParts) { EXPECT_EQ(FirstSpelling("[old] lamp  [left]"), "lamp"); }

TEST(FoldName, IgnoresCaseOuterBlanksAndComposition) {
  EXPECT_EQ(FoldName("  KÜCHE "), FoldName("ku\xCC\x88"
                                           "che"));
  EXPECT_EQ(FoldName("ΦΩΣ"), FoldName("φως"));
}

TEST(ParseHome, TakesTheFormsOfTestHomes) {
  const Result<Home> home = Parse(R"({
    "floors": [{"name": "First[ Floor]"}],
    "areas": [{"name": "Attic", "floor": "First[ Floor]"}],
    "entities": [
      {"name": "lamp[s]", "domain": "light", "area": "Attic", "state": {"in": "lit", "out": "on"}},
      {"name": "lamp", "domain": "light", "state": true},
      {"name": "Gate", "id": "cover.gate", "attributes": {"device_class": "cover.CoverDeviceClass.GATE"}}],
    "timers": [{"name": "tea", "start_minutes": 3, "total_seconds_left": 100, "is_active": false}]})");
  ASSERT_TRUE(home.has_value()) << home.error().message;
  EXPECT_EQ(home->floors[0].name, "First");
  EXPECT_EQ(home->areas[0].floor_id, home->floors[0].id);
  EXPECT_EQ(home->devices[0].name, "lamp");
  EXPECT_EQ(home->devices[0].id, "light.lamp");
  EXPECT_EQ(home->devices[0].state, "on");
  EXPECT_EQ(home->devices[0].area_id, "Attic");
  EXPECT_EQ(home->devices[1].id, "light.lamp_2");
  EXPECT_EQ(home->devices[1].state, "on");
  EXPECT_EQ(home->devices[2].domain, "cover");
  EXPECT_EQ(home->devices[2].device_class, "gate");
  EXPECT_EQ(home->timers[0].seconds_total, 180u);
  EXPECT_EQ(home->timers[0].seconds_left, 100u);
  EXPECT_TRUE(home->timers[0].paused);
}

TEST(ParseHome, DeclaresAnAreaThatOnlyADeviceNames) {
  const Result<Home> home = Parse(R"({"entities": [{"name": "Lamp", "domain": "light", "area": "Cellar"}]})");
  ASSERT_TRUE(home.has_value());
  EXPECT_EQ(SelectDevices(*home, {.area = "cellar"}).size(), 1u);
}

TEST(ParseHome, NamesTheFieldThatIsWrong) {
  for (const auto& [text, field] : std::vector<std::pair<std::string, std::string>>{
           {R"({"areas": 3})", "'areas'"},
           {R"({"areas": [1]})", "'areas[0]'"},
           {R"({"floors": [{"id": "x"}]})", "'floors[0].name'"},
           {R"({"entities": [{"name": "Lamp"}]})", "'entities[0]'"},
           {R"({"entities": [{"name": 1, "domain": "light"}]})", "'entities[0].name'"},
           {R"({"entities": [{"name": "a", "domain": "light", "state": []}]})", "'entities[0].state'"},
           {R"({"entities": [{"name": "a", "domain": "light", "attributes": 1}]})", "attributes"},
           {R"({"timers": [{"start_minutes": -1}]})", "'timers[0].start_minutes'"},
           {R"([])", "object"}}) {
    const Result<Home> home = Parse(text);
    ASSERT_FALSE(home.has_value()) << text;
    EXPECT_EQ(home.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(home.error().message, HasSubstr(field));
  }
}

TEST(HomeToJson, ComesBackAsTheSameHome) {
  Home home = TestHome();
  home.timers.push_back({.name = "tea", .area_id = "loft", .seconds_total = 60, .seconds_left = 5});
  const Json json = HomeToJson(home);
  const Result<Home> again = ParseHome(json);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(DumpJson(HomeToJson(*again)), DumpJson(json));
}

TEST(SelectDevices, FollowsEveryField) {
  const Home home = TestHome();
  EXPECT_THAT(SelectDevices(home, {.domain = "light"}), ElementsAre(0, 1, 2));
  EXPECT_THAT(SelectDevices(home, {.name = "all", .area = "studio", .domain = "light"}), ElementsAre(0, 1));
  EXPECT_THAT(SelectDevices(home, {.floor = "upper floor", .domain = "light"}), ElementsAre(2));
  EXPECT_THAT(SelectDevices(home, {.device_class = "Blind"}), ElementsAre(3));
  EXPECT_THAT(SelectDevices(home, {.name = " EASEL lamp"}), ElementsAre(0));
}

TEST(SelectDevices, SelectsNothingForAnUnknownName) {
  const Home home = TestHome();
  EXPECT_THAT(SelectDevices(home, {.name = "Easel"}), IsEmpty());
  EXPECT_THAT(SelectDevices(home, {.area = "Cellar", .domain = "light"}), IsEmpty());
}

TEST(HomeSystemPrompt, HasOneLinePerRoom) {
  Result<Home> home = Parse(R"({
    "floors": [{"id": "up", "name": "Upper Floor"}, {"id": "roof", "name": "Roof"}],
    "areas": [{"id": "loft", "name": "Loft", "floor": "up"}, {"id": "den", "name": "Den"}],
    "entities": [
      {"id": "light.a", "name": "Beam", "area": "loft"},
      {"id": "cover.b", "name": "Roller", "device_class": "blind", "area": "loft"},
      {"id": "light.c", "name": "Spot", "area": "loft"},
      {"id": "lock.d", "name": "Latch"},
      {"id": "light.e", "name": "Tent", "floor": "Roof"}]})");
  ASSERT_TRUE(home.has_value());
  EXPECT_EQ(HomeSystemPrompt(*home, "Loft"),
            "Loft (Upper Floor): light Beam, Spot; cover blind Roller\n"
            "Den\n"
            "no room (Roof): light Tent\n"
            "no room: lock Latch\n"
            "floor Roof\n"
            "The speaker is in the Loft.");
}

TEST(HomeSystemPrompt, IsEmptyForAHomeOfWhichNothingIsKnown) { EXPECT_EQ(HomeSystemPrompt(Home(), ""), ""); }

TEST(HomeTools, OffersWhatTheHomeHas) {
  const Result<Home> home = Parse(R"({"entities": [{"name": "Latch", "domain": "lock"}]})");
  ASSERT_TRUE(home.has_value());
  std::vector<std::string> names;
  for (const ToolDefinition& tool : HomeTools(*home)) names.push_back(tool.name);
  EXPECT_THAT(names, testing::IsSupersetOf({"HassTurnOn", "HassGetState", "HassStartTimer"}));
  EXPECT_THAT(names, testing::Not(testing::Contains("HassLightSet")));
  EXPECT_THAT(names, testing::Not(testing::Contains("CarNavigate")));
}

TEST(HomeTools, OffersEverythingInAHomeWithoutDevices) {
  EXPECT_EQ(HomeTools(Home()).size(), HomeToolCatalogue().size());
}

TEST(HomeToolCatalogue, HoldsOpenAiToolsWithoutWordsToSpare) {
  for (const HomeTool& tool : HomeToolCatalogue()) {
    SCOPED_TRACE(tool.definition.name);
    EXPECT_TRUE(tool.definition.description.empty());
    EXPECT_EQ(tool.definition.raw.at("type"), "function");
    EXPECT_EQ(tool.definition.raw.at("function").size(), 2u);
    EXPECT_EQ(tool.definition.parameters.at("type"), "object");
    for (const auto& [name, schema] : tool.definition.parameters.at("properties").items()) {
      EXPECT_EQ(schema.size(), 1u) << name;
      EXPECT_THAT(schema.at("type").get<std::string>(),
                  testing::AnyOf("string", "integer", "number", "boolean"));
    }
  }
}

}  // namespace
}  // namespace mimo
