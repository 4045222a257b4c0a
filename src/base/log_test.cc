#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"

namespace mimo {
namespace {

std::string Logged(LogLevel level, std::string_view text) {
  testing::internal::CaptureStderr();
  LogLine(level, text);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, WritesOneLineThatNamesTheProgramAndTheLevel) {
  EXPECT_EQ(Logged(LogLevel::kInfo, "ready"), "mimo: ready\n");
  EXPECT_EQ(Logged(LogLevel::kWarning, "slow"), "mimo: warning: slow\n");
  EXPECT_EQ(Logged(LogLevel::kError, "gone"), "mimo: error: gone\n");
}

TEST(Log, DropsLinesBelowTheLevel) {
  EXPECT_EQ(Logged(LogLevel::kDebug, "detail"), "");
  SetLogLevel(LogLevel::kDebug);
  EXPECT_EQ(Logged(LogLevel::kDebug, "detail"), "mimo: debug: detail\n");
  SetLogLevel(LogLevel::kError);
  EXPECT_EQ(Logged(LogLevel::kWarning, "slow"), "");
  SetLogLevel(LogLevel::kInfo);
}

TEST(Log, EscapesControlCharactersSoThatANameCannotForgeALine) {
  EXPECT_EQ(Logged(LogLevel::kInfo, "a\nmimo: error: b\x1b[2J\x7f"),
            "mimo: a\\x0amimo: error: b\\x1b[2J\\x7f\n");
  EXPECT_EQ(Logged(LogLevel::kInfo, "\xc2\x9b"), "mimo: \xc2\\x9b\n");
  EXPECT_EQ(Logged(LogLevel::kInfo, "Größe 模型 \xc2\xa0"), "mimo: Größe 模型 \xc2\xa0\n");
}

std::string LoggedFields(std::vector<LogField> fields) {
  testing::internal::CaptureStderr();
  LogLine(LogLevel::kInfo, "request", fields);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, WritesFieldsBehindTheTextAndQuotesWhatIsNoPlainWord) {
  EXPECT_EQ(LoggedFields({{.name = "key", .value = "alice"}, LogNumber("status", 200)}),
            "mimo: request key=alice status=200\n");
  EXPECT_EQ(LoggedFields({{.name = "path", .value = "/a b\n\"x\x7f"}, {.name = "none", .value = ""}}),
            "mimo: request path=\"/a b\\n\\\"x\\x7f\" none=\"\"\n");
}

TEST(Log, WritesJsonThatHostileTextCannotBreak) {
  SetLogFormat(LogFormat::kJson);
  const std::string line =
      LoggedFields({{.name = "key", .value = "a\",\"level\":\"none\n\xff"}, LogNumber("seconds", 0.5)});
  SetLogFormat(LogFormat::kText);

  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const Result<Json> json = ParseJson(line);
  ASSERT_TRUE(json.has_value()) << line;
  EXPECT_EQ((*json)["level"], "info");
  EXPECT_EQ((*json)["message"], "request");
  EXPECT_EQ((*json)["key"], "a\",\"level\":\"none\n\xef\xbf\xbd");
  EXPECT_EQ((*json)["seconds"], 0.5);
  EXPECT_EQ((*json)["time"].get<std::string>().size(), std::string("2026-11-30T16:00:00.123Z").size());
}

TEST(Log, NeverInterleavesTheLinesOfTwoThreads) {
  const std::string text(300, 'x');
  testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int line = 0; line < 100; ++line) LogInfo("{}", text);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::istringstream lines(testing::internal::GetCapturedStderr());
  int num_lines = 0;
  for (std::string line; std::getline(lines, line); ++num_lines) ASSERT_EQ(line, "mimo: " + text);
  EXPECT_EQ(num_lines, 400);
}

}  // namespace
}  // namespace mimo
