#include "server/page.h"

#include <gtest/gtest.h>

#include <regex>

#include "base/json.h"
#include "server/page_assets.h"

namespace mimo {
namespace {

Json BodyOf(const HttpReply& reply) { return *ParseJson(reply.body); }

HttpReply Call(const Json& home, const std::string& name, const Json& arguments) {
  HttpRequest request;
  request.body = DumpJson(Json{{"home", home}, {"name", name}, {"arguments", arguments}});
  return HandleHomeCall(request);
}

std::string StateOf(const Json& home, const std::string& id) {
  for (const Json& device : home["entities"]) {
    if (device["id"] == id) return device["state"].get<std::string>();
  }
  return "no such device";
}

TEST(Page, EveryFileThatTheFilesNameIsServedAndNothingFromElsewhere) {
  const std::regex name(R"re((?:src|href)="(page/[^"]+)"|from "\./([^"]+)")re");
  for (const PageFile& file : PageFiles()) {
    const HttpReply reply = HandlePage(file.path);
    ASSERT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body.find("https://"), std::string::npos) << file.path;
    for (std::sregex_iterator match(reply.body.begin(), reply.body.end(), name), end; match != end; ++match) {
      const std::string path =
          (*match)[1].matched ? fmt::format("/{}", match->str(1)) : fmt::format("/page/{}", match->str(2));
      EXPECT_EQ(HandlePage(path).status, 200) << file.path << " names " << path;
    }
  }
  EXPECT_EQ(HandlePage("/page/no_such.js").status, 404);
}

TEST(Page, TheDemoHomeIsOfferedWithItsToolsAndPlaces) {
  const Json home = BodyOf(HandleDemoHome())["home"];
  HttpRequest request;
  request.body = DumpJson(Json{{"home", home}, {"speaker_area", "Kitchen"}});

  const HttpReply reply = HandleHomePrompt(request);

  ASSERT_EQ(reply.status, 200);
  const Json offer = BodyOf(reply);
  EXPECT_NE(offer["system"].get<std::string>().find("Reading Lamp"), std::string::npos);
  EXPECT_NE(offer["system"].get<std::string>().find("The speaker is in the Kitchen"), std::string::npos);
  EXPECT_GT(offer["tools"].size(), 10U);
  EXPECT_EQ(offer["tools"][0]["type"], "function");
}

TEST(Page, ACallChangesTheHomeThatCameWithIt) {
  const Json home = BodyOf(HandleDemoHome())["home"];
  ASSERT_EQ(StateOf(home, "light.reading_lamp"), "off");

  const Json outcome = BodyOf(Call(home, "HassTurnOn", Json{{"name", "Reading Lamp"}}));

  EXPECT_EQ(outcome["ok"], true);
  EXPECT_EQ(StateOf(outcome["home"], "light.reading_lamp"), "on");
  EXPECT_EQ(StateOf(BodyOf(HandleDemoHome())["home"], "light.reading_lamp"), "off");
}

TEST(Page, ACallThatFitsNothingLeavesTheHomeAsItWas) {
  const Json home = BodyOf(HandleDemoHome())["home"];

  const Json outcome = BodyOf(Call(home, "HassTurnOn", Json{{"name", "Lighthouse"}}));

  EXPECT_EQ(outcome["ok"], false);
  EXPECT_EQ(outcome["home"], home);
}

TEST(Page, BadRequestsNameTheField) {
  HttpRequest request;
  request.body = "{}";
  EXPECT_EQ(BodyOf(HandleHomePrompt(request))["error"]["param"], "home");
  EXPECT_EQ(HandleHomePrompt(request).status, 400);
  request.body = R"({"home": {"entities": 3}})";
  EXPECT_EQ(HandleHomePrompt(request).status, 400);
  request.body = R"({"home": {}, "name": "HassTurnOn", "arguments": []})";
  EXPECT_EQ(BodyOf(HandleHomeCall(request))["error"]["param"], "arguments");
  request.body = "[";
  EXPECT_EQ(HandleHomeCall(request).status, 400);
}

}  // namespace
}  // namespace mimo
