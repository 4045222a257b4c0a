#include "server/health.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/progress_bar.h"

namespace mimo {
namespace {

std::string HeaderOf(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(Health, IsOkWithoutAnObstacle) {
  EXPECT_EQ(HealthReply(std::nullopt).status, 200);
  EXPECT_EQ(HealthReply(std::nullopt).body, R"({"status":"ok"})");
}

TEST(Health, SaysHowFarLoadingIs) {
  {
    ProgressBar bar("arranging", 8);
    bar.Advance(6);
    const HttpReply reply = HealthReply(LoadingObstacle());
    EXPECT_EQ(reply.status, 503);
    const Json body = ParseJson(reply.body).value();
    EXPECT_EQ(body["status"], "loading");
    EXPECT_EQ(body["progress"], 0.75);
    EXPECT_EQ(body["error"]["message"], "the model is still loading (arranging: 75 %)");
    EXPECT_EQ(HeaderOf(reply, "retry-after"), "1");
  }
  EXPECT_FALSE(ParseJson(HealthReply(LoadingObstacle()).body).value().contains("progress"));
}

TEST(Health, NamesTheOtherReasons) {
  EXPECT_EQ(ParseJson(HealthReply(DrainingObstacle()).body).value()["status"], "draining");
  const HttpReply failing = HealthReply(FailingObstacle("layer 3 cannot be read"));
  EXPECT_EQ(failing.status, 503);
  EXPECT_EQ(ParseJson(failing.body).value()["error"]["message"], "layer 3 cannot be read");
  EXPECT_EQ(HeaderOf(failing, "retry-after"), "30");
}

}  // namespace
}  // namespace mimo
