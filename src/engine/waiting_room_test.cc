#include "engine/waiting_room.h"

#include <gtest/gtest.h>

#include <variant>

namespace mimo {
namespace {

using std::chrono::seconds;

class WaitingRoomTest : public ::testing::Test {
 protected:
  static WaitingRoom::Clock::time_point At(int second) {
    return WaitingRoom::Clock::time_point(seconds(100'000 + second));
  }
  static seconds AfterOf(const EngineStatus& status) {
    return std::get<TryLater>(status.error().detail).after;
  }
};

TEST_F(WaitingRoomTest, RefusesAnOwnerAtItsLimitAndNobodyElse) {
  WaitingRoom room({.owner_requests_max = 2});
  EXPECT_TRUE(room.Enter("a", 10, At(0)));
  EXPECT_TRUE(room.Enter("a", 10, At(0)));
  const EngineStatus refused = room.Enter("a", 10, At(0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(refused.error().message, "too many of your requests are waiting: 2 with 20 prompt tokens");
  EXPECT_TRUE(room.Enter("b", 10, At(0)));
  EXPECT_EQ(room.num_requests(), 3U);
  EXPECT_EQ(room.num_refused(), 1U);
  room.Leave("a", 10);
  EXPECT_TRUE(room.Enter("a", 10, At(0)));
}

TEST_F(WaitingRoomTest, RefusesEverybodyWhenItIsFull) {
  WaitingRoom room({.requests_max = 2});
  EXPECT_TRUE(room.Enter("a", 10, At(0)));
  EXPECT_TRUE(room.Enter("b", 10, At(0)));
  const EngineStatus refused = room.Enter("c", 10, At(0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
}

TEST_F(WaitingRoomTest, LimitsPromptTokensButNeverASingleRequest) {
  WaitingRoom room({.prompt_tokens_max = 100, .owner_prompt_tokens_max = 60});
  EXPECT_TRUE(room.Enter("a", 1000, At(0)));
  EXPECT_EQ(room.Enter("a", 1, At(0)).error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(room.Enter("b", 1, At(0)).error().code, ErrorCode::kUnavailable);
  room.Admit("a", 1000, At(1));
  EXPECT_TRUE(room.Enter("b", 60, At(1)));
  EXPECT_TRUE(room.Enter("a", 40, At(1)));
  EXPECT_EQ(room.num_prompt_tokens(), 100U);
  EXPECT_FALSE(room.Enter("c", 1, At(1)));
}

TEST_F(WaitingRoomTest, EstimatesFromThePaceOfAdmissions) {
  WaitingRoom room({.requests_max = 40, .owner_requests_max = 39});
  for (int i = 0; i < 39; ++i) EXPECT_TRUE(room.Enter("a", 10, At(0)));
  EXPECT_TRUE(room.Enter("b", 10, At(0)));
  EXPECT_EQ(room.TimeToAdmission(At(0)), seconds(1));
  EXPECT_EQ(room.TimeToAdmission(At(7)), seconds(7)) << "nobody in seven seconds";
  for (int i = 1; i <= 35; ++i) {
    room.Admit("a", 10, At(3 * i));
    EXPECT_TRUE(room.Enter("a", 10, At(3 * i)));
  }
  // One in three seconds, of which every second one is this owner's turn.
  EXPECT_EQ(AfterOf(room.Enter("c", 10, At(105))), seconds(3));
  EXPECT_EQ(AfterOf(room.Enter("a", 10, At(105))), seconds(6));
}

TEST_F(WaitingRoomTest, ForgetsThePaceOfAnEarlierCrowd) {
  WaitingRoom room({});
  EXPECT_TRUE(room.Enter("a", 10, At(0)));
  room.Admit("a", 10, At(200));
  EXPECT_TRUE(room.Enter("a", 10, At(1000)));
  EXPECT_EQ(room.TimeToAdmission(At(1001)), seconds(1));
}

TEST_F(WaitingRoomTest, NeverSendsAClientAwayForLong) {
  WaitingRoom room({});
  EXPECT_TRUE(room.Enter("a", 10, At(0)));
  EXPECT_EQ(room.TimeToAdmission(At(90'000)), seconds(300));
}

}  // namespace
}  // namespace mimo
