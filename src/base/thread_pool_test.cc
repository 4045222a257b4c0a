#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

namespace mimo {
namespace {

// More threads than cores too: a worker that lost its core must not be forgotten.
class ThreadPoolTest : public testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolTest, RunsEachIndexOnceAndIsDoneWhenItReturns) {
  ThreadPool pool(GetParam());
  for (const uint32_t num_tasks : {0U, 1U, 2U, 7U, 1000U}) {
    std::vector<uint32_t> runs(num_tasks, 0);  // plain memory: a second run would be a race
    pool.ParallelFor(num_tasks, [&](uint32_t index, uint32_t) { ++runs[index]; });
    EXPECT_EQ(runs, std::vector<uint32_t>(num_tasks, 1));
  }
}

TEST_P(ThreadPoolTest, GivesEachThreadAnIndexOfItsOwn) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.num_threads(), GetParam());
  std::vector<uint64_t> sums(pool.num_threads(), 0);  // without locks
  pool.ParallelFor(10'000, [&](uint32_t index, uint32_t thread_index) { sums.at(thread_index) += index; });
  EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), uint64_t{0}), 49'995'000U);
}

TEST_P(ThreadPoolTest, PassesTheResultsOfOneLoopToTheNext) {
  ThreadPool pool(GetParam());
  std::array<uint32_t, 64> values{};
  for (int loop = 0; loop < 500; ++loop) {
    const std::array<uint32_t, 64> before = values;
    pool.ParallelFor(64,
                     [&](uint32_t index, uint32_t) { values.at(index) = before.at((index + 1) % 64) + 1; });
  }
  for (const uint32_t value : values) EXPECT_EQ(value, 500U);
}

TEST_P(ThreadPoolTest, WakesWorkersThatHaveGoneToSleep) {
  ThreadPool pool(GetParam());
  for (int loop = 0; loop < 20; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // longer than workers spin
    std::atomic<uint32_t> runs{0};
    pool.ParallelFor(16, [&](uint32_t, uint32_t) { ++runs; });
    EXPECT_EQ(runs, 16U);
  }
}

TEST(ThreadPool, LetsEveryThreadWorkAtTheSameTime) {
  ThreadPool pool(3);
  std::atomic<uint32_t> arrived{0};
  pool.ParallelFor(3, [&](uint32_t, uint32_t) {  // ends only when three threads are in it
    ++arrived;
    while (arrived != 3) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 3U);
}

TEST(ThreadPool, UsesEveryCoreWhenAskedForNone) {
  EXPECT_EQ(ThreadPool(0).num_threads(), std::max(1U, std::thread::hardware_concurrency()));
}

TEST(ThreadPool, EndsAtOnceWhetherItsWorkersSpinOrSleep) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool(4);
    if (i % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace
}  // namespace mimo
