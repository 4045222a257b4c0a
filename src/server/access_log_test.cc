#include "server/access_log.h"

#include <sstream>

#include "base/log.h"
#include "server/server_testutil.h"

namespace mimo {
namespace {

class AccessLogTest : public ServerTest {
 protected:
  void SetUp() override {
    SetLogFormat(LogFormat::kJson);
    testing::internal::CaptureStderr();
    ServerTest::SetUp();
  }
  void TearDown() override {
    server_.reset();
    if (!is_read_) testing::internal::GetCapturedStderr();
    SetLogFormat(LogFormat::kText);
    SetLogLevel(LogLevel::kInfo);
  }
  // The lines about requests, after the server has written all of them.
  std::vector<Json> Lines() {
    server_.reset();
    is_read_ = true;
    std::vector<Json> lines;
    std::istringstream text(testing::internal::GetCapturedStderr());
    for (std::string line; std::getline(text, line);) {
      const Result<Json> json = ParseJson(line);
      EXPECT_TRUE(json.has_value()) << line;
      if (json && (*json)["message"] == "request") lines.push_back(*json);
    }
    return lines;
  }

  bool is_read_ = false;
};

TEST_F(AccessLogTest, TellsWhatWasUsedAndNeverWhatWasSaid) {
  AnswerWith({"a private answer"});
  const ClientReply reply = Chat(R"("user":"a private question")");

  const std::vector<Json> lines = Lines();

  ASSERT_EQ(lines.size(), 1U);
  const Json& line = lines[0];
  EXPECT_EQ(line["request_id"], reply.headers.at("x-request-id"));
  EXPECT_EQ(line["route"], "/chat/completions");
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["model"], "mimo-v2-flash");
  EXPECT_EQ(line["prompt_tokens"], reply.json()["usage"]["prompt_tokens"]);
  EXPECT_EQ(line["completion_tokens"], reply.json()["usage"]["completion_tokens"]);
  EXPECT_GT(line["first_token_ms"].get<double>(), 0);
  EXPECT_GE(line["total_ms"].get<double>(), line["first_token_ms"].get<double>());
  EXPECT_EQ(DumpJson(line).find("private"), std::string::npos);
}

TEST_F(AccessLogTest, AStreamIsLoggedWhenItHasEnded) {
  AnswerWith({"abc"});
  Chat(R"("stream":true)");

  const std::vector<Json> lines = Lines();

  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["completion_tokens"], 4);
  EXPECT_FALSE(lines[0].contains("cut"));
}

TEST_F(AccessLogTest, AHostilePathStaysInItsLine) {
  Request("GET", "/%0A%22%7Dforged%1B");

  const std::vector<Json> lines = Lines();

  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["route"], "/\n\"}forged\x1b");
  EXPECT_EQ(lines[0]["status"], 404);
}

TEST_F(AccessLogTest, WhatProgramsAskAllTheTimeIsNotShown) {
  Request("GET", "/health");
  Request("GET", "/metrics");

  EXPECT_TRUE(Lines().empty());
}

class PromptLogTest : public AccessLogTest {
 protected:
  void Configure(ApiServerOptions& options) override { options.log_prompts = true; }
};

TEST_F(PromptLogTest, ShowsTheBodyWhenAsked) {
  AnswerWith({"ok"});
  Chat(R"("user":"a private question")");

  const std::vector<Json> lines = Lines();

  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0]["body"].get<std::string>().find("a private question"), std::string::npos);
}

}  // namespace
}  // namespace mimo
