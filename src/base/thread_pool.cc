// Workers spin for a short while between loops, because a decode step runs hundreds of loops of a few
// microseconds and a sleeping thread wakes later than such a loop ends; after that they sleep, so that an
// idle server is idle.

#include "base/thread_pool.h"

#include <algorithm>

namespace mimo {
namespace {

constexpr uint32_t kSpinsBeforeSleep = 20'000;  // about 100 microseconds

inline void PauseCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(uint32_t num_threads) {
  if (num_threads == 0) num_threads = std::max(1U, std::thread::hardware_concurrency());
  for (uint32_t i = 1; i < num_threads; ++i) {
    workers_.emplace_back([this, i] { WorkerLoop(i); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(sleep_mutex_);
    stopping_ = true;
    ++generation_;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::ParallelFor(uint32_t num_tasks, const std::function<void(uint32_t, uint32_t)>& task) {
  if (num_tasks == 0) return;
  if (num_tasks == 1 || workers_.empty()) {
    for (uint32_t i = 0; i < num_tasks; ++i) task(i, 0);
    return;
  }
  task_ = &task;
  num_tasks_ = num_tasks;
  next_task_.store(0, std::memory_order_relaxed);
  workers_busy_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  {
    const std::lock_guard lock(sleep_mutex_);
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  RunTasks(0);
  while (workers_busy_.load(std::memory_order_acquire) != 0) PauseCpu();
}

void ThreadPool::RunTasks(uint32_t thread_index) {
  while (true) {
    const uint32_t index = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (index >= num_tasks_) return;
    (*task_)(index, thread_index);
  }
}

void ThreadPool::WorkerLoop(uint32_t thread_index) {
  uint64_t seen = 0;
  while (true) {
    uint32_t spins = 0;
    while (generation_.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpinsBeforeSleep) {
        PauseCpu();
        continue;
      }
      std::unique_lock lock(sleep_mutex_);
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_) return;
    RunTasks(thread_index);
    workers_busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace mimo
