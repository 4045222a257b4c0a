#include "base/progress_bar.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace mimo {
namespace {

// Runs `action` with stderr on a pseudo terminal and returns what the terminal got.
template <typename Action>
std::string OnTerminal(const Action& action) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_GE(terminal, 0);
  EXPECT_EQ(grantpt(terminal), 0);
  EXPECT_EQ(unlockpt(terminal), 0);
  const int saved = dup(STDERR_FILENO);
  const int slave = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  dup2(slave, STDERR_FILENO);
  close(slave);
  action();
  dup2(saved, STDERR_FILENO);  // closes the last descriptor of the slave, so that reading comes to an end
  close(saved);
  // The kernel hands a terminal's bytes over in its own time: one read gets a part of them.
  std::string text;
  char buffer[4096];
  for (ssize_t size = 0; (size = read(terminal, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(size));
  }
  close(terminal);
  return text;
}

TEST(ProgressBar, IsSilentWhenStderrIsNotATerminal) {
  testing::internal::CaptureStderr();
  {
    ProgressBar bar("loading", 2);
    bar.Advance(1);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(ProgressBar, DrawsTheShareThatIsDoneAndEndsItsLine) {
  const std::string text = OnTerminal([] {
    ProgressBar bar("loading", 4);
    bar.Advance(1);
  });
  const std::string expected = "\rloading [" + std::string(10, '#') + std::string(30, '.') + "]  25 %";
  EXPECT_EQ(text, expected + expected + "\r\n");  // the first advance, the end
}

TEST(ProgressBar, StopsAtOneHundredPercent) {
  const std::string text = OnTerminal([] {
    ProgressBar bar("loading", 10);
    bar.Advance(25);
  });
  EXPECT_NE(text.find("100 %"), std::string::npos);
  EXPECT_EQ(text.find("250 %"), std::string::npos);
}

TEST(ProgressBar, CountsWhatSeveralThreadsDo) {
  const std::string text = OnTerminal([] {
    ProgressBar bar("loading", 400);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int step = 0; step < 100; ++step) bar.Advance(1);
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  EXPECT_NE(text.find("100 %"), std::string::npos);
}

TEST(ProgressBar, TellsOthersHowFarTheNewestOneIs) {
  EXPECT_FALSE(ProgressBar::Current());
  {
    ProgressBar outer("loading", 10);
    outer.Advance(4);
    EXPECT_EQ(ProgressBar::Current()->label, "loading");
    EXPECT_DOUBLE_EQ(ProgressBar::Current()->fraction, 0.4);
    {
      const ProgressBar inner("arranging", 10);
      EXPECT_EQ(ProgressBar::Current()->label, "arranging");
    }
    EXPECT_EQ(ProgressBar::Current()->label, "loading");
  }
  EXPECT_FALSE(ProgressBar::Current());
}

}  // namespace
}  // namespace mimo
