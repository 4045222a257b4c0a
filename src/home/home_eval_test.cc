#include "home/home_eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "home/eval_services.h"
#include "home/home_tools.h"

namespace mimo {
namespace {

using testing::HasSubstr;

constexpr const char* kHomes = R"({"home": "h1",
 "floors": [{"id": "up", "name": "Upper [Floor]"}],
 "areas": [{"id": "den", "name": "Den[s]", "floor": "up"}, {"id": "barn_id", "name": "Scheune"}],
 "entities": [
  {"id": "light.beam", "name": "beam[s]", "area": "den", "state": "off"},
  {"id": "light.wick", "name": "Wick", "area": "den", "state": "on"},
  {"id": "cover.roller", "name": "Roller", "area": "den", "device_class": "blind", "state": "closed"},
  {"id": "binary_sensor.pane", "name": "Pane", "device_class": "window", "state": "on"},
  {"id": "media_player.horn", "name": "Horn", "area": "den", "state": "playing"},
  {"id": "person.ida", "name": "Ida", "state": {"in": "daheim", "out": "home"}},
  {"id": "todo.shopping", "name": "Provisions", "state": "0"}]})";

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// One record of kind `intent`; `more` are further fields.
std::string IntentRecord(const std::string& expect, const std::string& more = R"("home": "h1")") {
  return R"({"utterance": "hoist it", "language": "en", "kind": "intent", "expect": )" + expect + ", " +
         more + "}";
}

class HomeEval : public testing::Test {
 protected:
  // Judges the replies to the first record of `records`.
  Judgement JudgeReplies(const std::string& records, std::vector<EvalReply> replies) {
    Result<EvalSet> set = ParseEvalSet(records, OneLine(kHomes));
    EXPECT_TRUE(set.has_value()) << (set ? "" : set.error().message);
    const Result<EvalCase> eval_case = MakeEvalCase(*set, 0);
    EXPECT_TRUE(eval_case.has_value());
    EvalConversation conversation(*eval_case);
    for (EvalReply& reply : replies) {
      if (!conversation.done()) conversation.Receive(std::move(reply));
    }
    return Judge(*eval_case, conversation.transcript());
  }

  Verdict JudgeCall(const std::string& record, const std::string& tool, Json arguments) {
    return JudgeReplies(record, {{{{"", tool, std::move(arguments)}}, ""}}).verdict;
  }
};

TEST_F(HomeEval, WantsEveryExpectedSlotWithItsValue) {
  const std::string record =
      IntentRecord(R"({"intent": "HassLightSet", "slots": {"name": "Beams ", "brightness": 40}})");
  EXPECT_EQ(JudgeCall(record, "HassLightSet", {{"name", "beam"}, {"brightness", 40}}), Verdict::kRight);
  EXPECT_EQ(JudgeCall(record, "HassLightSet", {{"name", "BEAMS"}, {"brightness", "40"}}), Verdict::kRight);
  EXPECT_EQ(JudgeCall(record, "HassLightSet", {{"name", "Wick"}, {"brightness", 40}}), Verdict::kWrong);
  EXPECT_EQ(JudgeCall(record, "HassLightSet", {{"name", "beam"}, {"brightness", 41}}), Verdict::kWrong);
  EXPECT_EQ(JudgeCall(record, "HassLightSet", {{"brightness", 40}}), Verdict::kWrong);
  EXPECT_EQ(JudgeCall(record, "HassTurnOn", {{"name", "beam"}}), Verdict::kWrong);
  EXPECT_EQ(JudgeReplies(record, {{{}, "Done."}}).reason, "no call");
}

TEST_F(HomeEval, AllowsExtraSlotsThatSelectTheSameDevices) {
  const std::string record = IntentRecord(R"({"intent": "HassTurnOn", "slots": {"name": "beam"}})");
  EXPECT_EQ(JudgeCall(record, "HassTurnOn", {{"name", "beams"}, {"area", "dens"}, {"domain", "light"}}),
            Verdict::kRight);
  EXPECT_EQ(JudgeCall(record, "HassTurnOn", {{"name", "beam"}, {"domain", "switch"}}), Verdict::kWrong);
  EXPECT_EQ(JudgeCall(record, "HassTurnOn", {{"name", "beam"}, {"device_class", "blind"}}), Verdict::kWrong);
}

TEST_F(HomeEval, AllowsWhatTheContextSupplies) {
  const std::string expect = R"({"intent": "HassStartTimer", "slots": {"minutes": 4}})";
  const std::string record = IntentRecord(expect, R"("home": "h1", "context": {"area": "Den"})");
  EXPECT_EQ(JudgeCall(record, "HassStartTimer", {{"minutes", 4}, {"seconds", 0}}), Verdict::kRight);
  EXPECT_EQ(JudgeCall(record, "HassStartTimer", {{"minutes", 4}, {"name", "soup"}}), Verdict::kWrong);
  const std::string pause = IntentRecord(R"({"intent": "HassPauseTimer", "slots": {}})",
                                         R"("home": "h1", "context": {"area": "Den"})");
  EXPECT_EQ(JudgeCall(pause, "HassPauseTimer", {{"area", "den"}}), Verdict::kRight);
  EXPECT_EQ(JudgeCall(pause, "HassPauseTimer", {{"area", "Scheune"}}), Verdict::kWrong);
}

TEST_F(HomeEval, TakesAnAreasIdForItsName) {
  const std::string record =
      IntentRecord(R"({"intent": "HassTurnOn", "slots": {"area": "Barn", "domain": "light"}})");
  EXPECT_EQ(JudgeCall(record, "HassTurnOn", {{"area", "Scheune"}, {"domain", "light"}}), Verdict::kRight);
}

TEST_F(HomeEval, TakesAnyOfListedAlternatives) {
  const std::string record =
      IntentRecord(R"({"intent": "HassTurnOff", "slots": {"device_class": ["shade", "blind"]}})");
  EXPECT_EQ(JudgeCall(record, "HassTurnOff", {{"device_class", "blind"}}), Verdict::kRight);
  EXPECT_EQ(JudgeCall(record, "HassTurnOff", {{"device_class", "gate"}}), Verdict::kWrong);
}

TEST_F(HomeEval, TakesNameAllForNoName) {
  const std::string record =
      IntentRecord(R"({"intent": "HassTurnOn", "slots": {"name": "all", "domain": "light"}})");
  EXPECT_EQ(JudgeCall(record, "HassTurnOn", {{"domain", "light"}}), Verdict::kRight);
  EXPECT_EQ(JudgeCall(record, "HassTurnOn", {{"domain", "light"}, {"name", "Wick"}}), Verdict::kWrong);
}

TEST_F(HomeEval, TakesOpenForOnWhereASensorIsMeant) {
  const std::string sensor = IntentRecord(
      R"({"intent": "HassGetState", "slots": {"domain": "binary_sensor", "device_class": "window", "state": "on"}})");
  EXPECT_EQ(JudgeCall(sensor, "HassGetState",
                      {{"domain", "binary_sensor"}, {"device_class", "window"}, {"state", "open"}}),
            Verdict::kRight);
  const std::string bare =
      IntentRecord(R"({"intent": "HassGetState", "slots": {"device_class": "door", "state": "open"}})");
  EXPECT_EQ(JudgeCall(bare, "HassGetState", {{"device_class", "door"}, {"state", "on"}}), Verdict::kRight);
  const std::string light =
      IntentRecord(R"({"intent": "HassGetState", "slots": {"domain": "light", "state": "on"}})");
  EXPECT_EQ(JudgeCall(light, "HassGetState", {{"domain", "light"}, {"state", "open"}}), Verdict::kWrong);
}

TEST_F(HomeEval, TakesAStateAsSaidForTheStateAsStored) {
  const std::string record =
      IntentRecord(R"({"intent": "HassGetState", "slots": {"name": "Ida", "state": "daheim"}})");
  EXPECT_EQ(JudgeCall(record, "HassGetState", {{"name", "Ida"}, {"state", "home"}}), Verdict::kRight);
}

TEST_F(HomeEval, TakesTheGeneralToolOnAShoppingList) {
  const std::string record =
      IntentRecord(R"({"intent": "HassShoppingListAddItem", "slots": {"item": "plums"}})");
  EXPECT_EQ(JudgeCall(record, "HassListAddItem", {{"item", "Plums"}, {"name", "provisions"}}),
            Verdict::kRight);
  EXPECT_EQ(JudgeCall(record, "HassListAddItem", {{"item", "Plums"}, {"name", "Jokes"}}), Verdict::kWrong);
}

TEST_F(HomeEval, JudgesAnswersWithoutACall) {
  const std::string respond = IntentRecord(R"({"intent": "HassRespond", "slots": {}})");
  EXPECT_EQ(JudgeReplies(respond, {{{}, "Hello."}}).verdict, Verdict::kRight);
  EXPECT_EQ(JudgeReplies(respond, {{{}, " "}}).verdict, Verdict::kWrong);
  EXPECT_EQ(JudgeCall(respond, "HassNevermind", Json::object()), Verdict::kWrong);
  const std::string nevermind = IntentRecord(R"({"intent": "HassNevermind", "slots": {}})");
  EXPECT_EQ(JudgeReplies(nevermind, {{{}, "Fine."}}).verdict, Verdict::kRight);
  EXPECT_EQ(JudgeCall(nevermind, "HassNevermind", Json::object()), Verdict::kRight);
}

TEST_F(HomeEval, AcceptsEveryExpectationOfTheSameSentence) {
  const std::string records = IntentRecord(R"({"intent": "HassTurnOn", "slots": {"name": "Wick"}})") + "\n" +
                              IntentRecord(R"({"intent": "HassTurnOff", "slots": {"name": "Wick"}})");
  EXPECT_EQ(JudgeCall(records, "HassTurnOff", {{"name", "wick"}}), Verdict::kRight);
}

TEST_F(HomeEval, DoesNotScoreWhatTheHomeDoesNotOffer) {
  const std::string record = IntentRecord(R"({"intent": "HassVacuumStart", "slots": {}})");
  EXPECT_EQ(JudgeReplies(record, {{{}, "No."}}).verdict, Verdict::kNotScored);
}

TEST_F(HomeEval, ComparesTheHomeAfterAStateChange) {
  const std::string record =
      R"({"utterance": "roll it", "language": "en", "kind": "state_change", "home": "h1",
          "setup": {"cover.roller": {"state": "open", "attributes": {"position": 100}}},
          "expect": {"expect_changes": {"cover.roller": {"state": "closed"}},
                     "ignore_changes": {"cover.roller": ["position"]}}})";
  const std::string line = OneLine(record);
  EXPECT_EQ(JudgeCall(line, "HassTurnOff", {{"name", "Roller"}}), Verdict::kRight);
  EXPECT_EQ(JudgeCall(line, "HassTurnOn", {{"name", "Roller"}}), Verdict::kWrong);
  EXPECT_EQ(
      JudgeReplies(
          line, {{{{"", "HassTurnOff", {{"name", "Roller"}}}, {"", "HassTurnOn", {{"name", "beam"}}}}, ""}})
          .verdict,
      Verdict::kWrong);
}

TEST_F(HomeEval, ReadsTheLastReplyToAQuestion) {
  const std::string record =
      R"({"utterance": "is the pane shut", "language": "en", "kind": "question", "home": "h1", )"
      R"("expect": {"expect_response": ["open"]}})";
  const EvalReply call = {{{"", "HassGetState", {{"name", "Pane"}}}}, ""};
  EXPECT_EQ(JudgeReplies(record, {call, {{}, "It is OPEN."}}).verdict, Verdict::kRight);
  EXPECT_EQ(JudgeReplies(record, {call, {{}, "It is shut."}}).verdict, Verdict::kWrong);
}

TEST_F(HomeEval, JudgesServicesByToolAndDevice) {
  const std::string record =
      R"({"utterance": "bolt the hen house", "language": "en", "kind": "service_call", )"
      R"("expect": {"service": "lock.lock", "device": "hen_house"}})";
  EXPECT_EQ(JudgeCall(record, "HassTurnOn", {{"name", "Hen House"}}), Verdict::kRight);
  EXPECT_EQ(JudgeCall(record, "HassTurnOff", {{"name", "Hen House"}}), Verdict::kWrong);
  EXPECT_EQ(JudgeCall(record, "HassTurnOn", {{"domain", "lock"}}), Verdict::kWrong);
  const std::string toggle = R"({"utterance": "flip the attic", "language": "en", "kind": "service_call", )"
                             R"("expect": {"service": "light.toggle", "device": "attic"}})";
  EXPECT_EQ(JudgeReplies(toggle, {}).verdict, Verdict::kNotScored);
}

TEST_F(HomeEval, FillsTemplatesAndWantsACallForEachService) {
  const std::string record =
      R"({"utterance": "kill <device_name1> and bolt <device_name2>", "language": "en",
          "kind": "service_call_template", "expect": {"service": ["light.turn_off", "lock.lock"]}})";
  const Result<EvalSet> set = ParseEvalSet(OneLine(record), "");
  ASSERT_TRUE(set.has_value());
  const Result<EvalCase> eval_case = MakeEvalCase(*set, 0);
  ASSERT_TRUE(eval_case.has_value());
  const std::string light = eval_case->home.devices[*eval_case->services[0].device_index].name;
  const std::string lock = eval_case->home.devices[*eval_case->services[1].device_index].name;
  EXPECT_EQ(eval_case->utterance, "kill " + light + " and bolt " + lock);
  const ToolCall off{"", "HassTurnOff", {{"name", light}}};
  const ToolCall on{"", "HassTurnOn", {{"name", lock}}};
  EXPECT_EQ(JudgeReplies(OneLine(record), {{{on, off}, ""}}).verdict, Verdict::kRight);
  EXPECT_EQ(JudgeReplies(OneLine(record), {{{off}, ""}}).verdict, Verdict::kWrong);
  EXPECT_EQ(JudgeReplies(OneLine(record), {{{on, off, on}, ""}}).verdict, Verdict::kWrong);
}

TEST_F(HomeEval, RefusalsMustChangeNothing) {
  const std::string missing =
      R"({"utterance": "light the moat", "language": "en", "kind": "refusal", "expect": {"refuse": )"
      R"("not_available", "service": "light.turn_on", "device": "moat", "friendly_name": "Moat"}})";
  const EvalReply sorry = {{}, "There is none."};
  EXPECT_EQ(JudgeReplies(missing, {sorry}).verdict, Verdict::kRight);
  EXPECT_EQ(JudgeReplies(missing, {{{{"", "HassTurnOn", {{"name", "Moat"}}}}, ""}, sorry}).verdict,
            Verdict::kRight);
  EXPECT_EQ(JudgeReplies(missing, {{{{"", "HassTurnOn", {{"domain", "light"}}}}, ""}, sorry}).verdict,
            Verdict::kWrong);
  const std::string already =
      R"({"utterance": "light the moat", "language": "en", "kind": "refusal", "expect": {"refuse": )"
      R"("already_state", "service": "light.turn_on", "friendly_name": "Moat", "desired_state": "on"}})";
  EXPECT_EQ(JudgeReplies(already, {{{{"", "HassTurnOn", {{"name", "Moat"}}}}, ""}, sorry}).verdict,
            Verdict::kRight);
}

TEST_F(HomeEval, ShowsTheFailedCallBeforeARecovery) {
  const std::string record =
      R"({"utterance": "unbolt the crypt", "language": "en", "kind": "recover_after_failed_call",
          "bad_first_call": "lock.kript", "expect": {"service": "lock.unlock", "device": "lock.crypt",
          "friendly_name": "Crypt"}})";
  const Result<EvalSet> set = ParseEvalSet(OneLine(record), "");
  ASSERT_TRUE(set.has_value());
  const Result<EvalCase> eval_case = MakeEvalCase(*set, 0);
  ASSERT_TRUE(eval_case.has_value());
  const EvalConversation conversation(*eval_case);
  ASSERT_EQ(conversation.request().messages.size(), 4u);
  EXPECT_EQ(conversation.request().messages[3].content, "no such device: kript");
  EXPECT_EQ(JudgeCall(OneLine(record), "HassTurnOff", {{"name", "crypt"}}), Verdict::kRight);
}

TEST_F(HomeEval, CountsDeviceActionsAsRobustnessOnly) {
  const std::string record =
      R"({"utterance": "more", "language": "en", "kind": "device_action", "weak_label": true, )"
      R"("expect": {"device": "Orb", "area": "Crypt", "device_type": "light-dimmable"}})";
  EXPECT_EQ(JudgeCall(record, "HassLightSet", {{"name", "Orb"}, {"brightness", 90}}), Verdict::kRight);
  EXPECT_EQ(JudgeCall(record, "HassLightSet", {{"name", "Orb"}}), Verdict::kWrong);
  const Result<EvalSet> set = ParseEvalSet(record, "");
  EvalReport report;
  report.Add(*MakeEvalCase(*set, 0), {Verdict::kRight, ""});
  EXPECT_EQ(report.total().scored, 0u);
  EXPECT_EQ(report.ToJson()["robustness"]["right"], 1);
}

TEST(ParseEvalSet, NamesTheLineThatIsWrong) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"{}", "records line 1: 'utterance'"},
           {"\n[]", "records line 2: must be an object"},
           {"{\"a\"", "records line 1"},
           {R"({"utterance": "x", "language": "en", "kind": "intent"})", "'expect'"},
           {IntentRecord("{}", R"("home": "h9")"), "home 'h9' is not in the homes file"}}) {
    const Result<EvalSet> set = ParseEvalSet(text, "");
    ASSERT_FALSE(set.has_value()) << text;
    EXPECT_THAT(set.error().message, HasSubstr(part));
  }
}

TEST(CallsForService, NamesOnlyToolsOfTheCatalogue) {
  for (const char* service : {"light.turn_on", "lock.unlock", "blinds.open_cover", "vacuum.start",
                              "media_player.volume_up", "todo.add_item", "timer.start", "timer.cancel"}) {
    EXPECT_FALSE(CallsForService(service).empty()) << service;
    for (const ServiceCall& call : CallsForService(service)) {
      const auto catalogue = HomeToolCatalogue();
      EXPECT_TRUE(std::any_of(catalogue.begin(), catalogue.end(), [&](const HomeTool& tool) {
        return tool.definition.name == call.tool;
      })) << call.tool;
    }
  }
  EXPECT_TRUE(CallsForService("fan.increase_speed").empty());
  EXPECT_TRUE(CallsForService("blinds.toggle").empty());
}

TEST(WilsonInterval, MatchesPublishedValues) {
  // Newcombe 1998, table I: 81 of 263, and 0 of 20.
  const AccuracyInterval some = WilsonInterval({81, 263});
  EXPECT_NEAR(some.low, 0.2553, 5e-5);
  EXPECT_NEAR(some.high, 0.3662, 5e-5);
  const AccuracyInterval none = WilsonInterval({0, 20});
  EXPECT_NEAR(none.low, 0, 1e-12);
  EXPECT_NEAR(none.high, 0.1611, 5e-5);
}

TEST(EvalReport, PutsAccuracyFirst) {
  const Result<EvalSet> set = ParseEvalSet(IntentRecord(R"({"intent": "HassRespond"})", R"("id": "1")"), "");
  ASSERT_TRUE(set.has_value());
  const Result<EvalCase> eval_case = MakeEvalCase(*set, 0);
  ASSERT_TRUE(eval_case.has_value());
  EvalReport report;
  report.Add(*eval_case, {Verdict::kRight, ""});
  report.Add(*eval_case, {Verdict::kWrong, "another tool"});
  report.Add(*eval_case, {Verdict::kNotScored, "no tool"});
  const Json json = report.ToJson();
  EXPECT_EQ(json.begin().key(), "accuracy");
  EXPECT_EQ(json["accuracy"], 0.5);
  EXPECT_EQ(json["by_intent"]["HassRespond"]["scored"], 2);
  EXPECT_EQ(json["by_language"]["en"]["right"], 1);
  EXPECT_EQ(json["not_scored"], 1);
  EXPECT_THAT(report.ToText(), HasSubstr("50.00 %"));
}

}  // namespace
}  // namespace mimo
