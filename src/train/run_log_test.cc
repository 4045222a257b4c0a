#include "train/run_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/mapped_file.h"

namespace mimo {
namespace {

class RunLogTest : public testing::Test {
 protected:
  RunLogTest() : path_(testing::TempDir() + "run_log_test_" + std::to_string(getpid()) + ".jsonl") {}
  ~RunLogTest() override { std::filesystem::remove(path_); }

  void WriteSteps(uint64_t first, uint64_t last) {
    Result<RunLog> log = RunLog::Open(path_, first - 1);
    ASSERT_TRUE(log.has_value());
    for (uint64_t step = first; step <= last; ++step) {
      log->Add(StepRecord{.step = step, .tokens = step * 10, .loss = 1.0 / static_cast<double>(step)});
    }
  }

  std::string path_;
};

TEST_F(RunLogTest, ReadsBackTheSameBits) {
  WriteSteps(1, 7);
  const Result<RunHistory> history = ReadRunHistory(path_, UINT64_MAX);
  ASSERT_TRUE(history.has_value());
  ASSERT_EQ(history->steps.size(), 7U);
  EXPECT_EQ(history->steps[2].loss, 1.0 / 3.0);
  EXPECT_EQ(history->steps[6].tokens, 70U);
}

TEST_F(RunLogTest, DropsWhatAResumedRunWillRepeat) {
  WriteSteps(1, 9);
  WriteSteps(6, 7);
  const Result<RunHistory> history = ReadRunHistory(path_, UINT64_MAX);
  ASSERT_TRUE(history.has_value());
  ASSERT_EQ(history->steps.size(), 7U);
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(history->steps[i].step, i + 1);
}

TEST_F(RunLogTest, ContinuesAfterALineThatAKilledRunCutOff) {
  WriteSteps(1, 3);
  std::ofstream(path_, std::ios::app) << R"({"event":"step","st)";
  WriteSteps(4, 4);
  const Result<RunHistory> history = ReadRunHistory(path_, UINT64_MAX);
  ASSERT_TRUE(history.has_value()) << history.error().message;
  EXPECT_EQ(history->steps.size(), 4U);
}

TEST_F(RunLogTest, NamesTheBrokenLine) {
  std::ofstream(path_) << "{\"event\":\"step\",\"step\":1}\nnonsense\n";
  const Result<RunHistory> history = ReadRunHistory(path_, UINT64_MAX);
  ASSERT_FALSE(history.has_value());
  EXPECT_EQ(history.error().code, ErrorCode::kDataLoss);
  EXPECT_NE(history.error().message.find("line 2"), std::string::npos);
}

TEST_F(RunLogTest, StartsANewLogAtStepZero) {
  WriteSteps(1, 3);
  WriteSteps(1, 1);
  EXPECT_EQ(ReadRunHistory(path_, UINT64_MAX)->steps.size(), 1U);
}

}  // namespace
}  // namespace mimo
