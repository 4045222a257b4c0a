#include "server/responses_store.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

StoredResponse Stored(std::string response, std::string item) {
  return {.owner = "me", .response = std::move(response), .input = "[]", .output_ids = {std::move(item)}};
}

TEST(ResponsesStore, FindsResponsesByTheirIdAndByTheirItems) {
  ResponsesStore store({});
  store.Put("resp_1", Stored("one", "msg_1"));
  store.Put("resp_2", Stored("two", "msg_2"));

  EXPECT_EQ(store.Find("me", "resp_1")->response, "one");
  EXPECT_EQ(store.FindByItem("me", "msg_2")->response, "two");
  EXPECT_FALSE(store.Find("me", "resp_3").has_value());
  EXPECT_FALSE(store.FindByItem("me", "resp_1").has_value());
}

TEST(ResponsesStore, ErasesAResponseWithItsItems) {
  ResponsesStore store({});
  store.Put("resp_1", Stored("one", "msg_1"));

  EXPECT_TRUE(store.Erase("me", "resp_1"));

  EXPECT_FALSE(store.Erase("me", "resp_1"));
  EXPECT_FALSE(store.FindByItem("me", "msg_1").has_value());
  EXPECT_EQ(store.bytes(), 0U);
}

TEST(ResponsesStore, KeepsOwnersApart) {
  ResponsesStore store({});
  store.Put("resp_1", Stored("one", "msg_1"));

  EXPECT_FALSE(store.Find("you", "resp_1").has_value());
  EXPECT_FALSE(store.FindByItem("you", "msg_1").has_value());
  EXPECT_FALSE(store.Erase("you", "resp_1"));
  EXPECT_TRUE(store.Find("me", "resp_1").has_value());
}

TEST(ResponsesStore, DropsTheLeastRecentlyUsedBeyondTheCount) {
  ResponsesStore store({.responses_max = 2});
  store.Put("resp_1", Stored("one", "msg_1"));
  store.Put("resp_2", Stored("two", "msg_2"));
  ASSERT_TRUE(store.Find("me", "resp_1").has_value());

  store.Put("resp_3", Stored("three", "msg_3"));

  EXPECT_TRUE(store.Find("me", "resp_1").has_value());
  EXPECT_FALSE(store.Find("me", "resp_2").has_value());
  EXPECT_TRUE(store.Find("me", "resp_3").has_value());
}

TEST(ResponsesStore, StaysWithinItsBytes) {
  ResponsesStore store({.bytes_max = 10000});
  for (int i = 0; i < 100; ++i) {
    store.Put("resp_" + std::to_string(i), Stored(std::string(2000, 'x'), "msg_" + std::to_string(i)));
    EXPECT_LE(store.bytes(), 10000U);
  }
  EXPECT_TRUE(store.Find("me", "resp_99").has_value());
  EXPECT_FALSE(store.Find("me", "resp_90").has_value());

  store.Put("resp_99", Stored(std::string(20000, 'x'), "msg_99"));

  EXPECT_FALSE(store.Find("me", "resp_99").has_value());
}

}  // namespace
}  // namespace mimo
