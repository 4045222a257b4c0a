#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

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
