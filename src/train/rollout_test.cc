#include "train/rollout.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

ToolCall Call(const char* name, Json arguments) {
  return {.id = {}, .name = name, .arguments = std::move(arguments)};
}

ConversationTurn TurnWith(std::vector<ToolCall> calls) {
  ConversationTurn turn;
  turn.calls = std::move(calls);
  return turn;
}

Rollout AnswerWith(std::vector<ToolCall> calls, const char* text = "") {
  Rollout rollout;
  rollout.calls = std::move(calls);
  rollout.text = text;
  return rollout;
}

const ToolCall kLamp = Call("HassTurnOn", {{"name", "Lamp"}, {"domain", "light"}});
const ToolCall kTimer = Call("HassStartTimer", {{"minutes", 5}});

TEST(RolloutReward, IsOneForEqualCallsInAnyOrderAndSpelling) {
  const ConversationTurn turn = TurnWith({kLamp, kTimer});
  const ToolCall spelled = Call("HassTurnOn", {{"domain", "light"}, {"name", " lamp"}});

  EXPECT_EQ(RolloutReward(turn, AnswerWith({Call("HassStartTimer", {{"minutes", 5.0}}), spelled})), 1);
}

TEST(RolloutReward, IsZeroForEveryKindOfMistake) {
  const ConversationTurn turn = TurnWith({kLamp});

  EXPECT_EQ(RolloutReward(turn, AnswerWith({})), 0);
  EXPECT_EQ(RolloutReward(turn, AnswerWith({kLamp, kLamp})), 0);
  EXPECT_EQ(RolloutReward(turn, AnswerWith({Call("HassTurnOff", kLamp.arguments)})), 0);
  EXPECT_EQ(RolloutReward(turn, AnswerWith({Call("HassTurnOn", {{"name", "Lamp"}})})), 0);
  EXPECT_EQ(RolloutReward(turn, AnswerWith({Call("HassTurnOn", {{"name", "Lamp"}, {"domain", "fan"}})})), 0);
  EXPECT_EQ(RolloutReward(TurnWith({kLamp, kTimer}), AnswerWith({kLamp, kLamp})), 0);
}

TEST(RolloutReward, WithoutCallsDueSomethingMustBeSaidAndNothingDone) {
  const ConversationTurn turn = TurnWith({});

  EXPECT_EQ(RolloutReward(turn, AnswerWith({}, "There is no lamp.")), 1);
  EXPECT_EQ(RolloutReward(turn, AnswerWith({}, " ")), 0);
  EXPECT_EQ(RolloutReward(turn, AnswerWith({kLamp}, "Done.")), 0);
}

}  // namespace
}  // namespace mimo
