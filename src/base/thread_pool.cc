// Workers spin for a short while between loops, because a decode step runs hundreds of loops of a few
// microseconds and a sleeping thread wakes later than such a loop ends; after that they sleep, so that an
// idle server is idle. Starting a loop touches the mutex only when a worker sleeps.

#include "base/thread_pool.h"

#include <algorithm>

namespace mimo {
namespace {

constexpr uint32_t kSpinsBeforeSleep = 20'000;  // about 100 microseconds
// The caller never sleeps inside a loop, but lets a worker that lost its core have this one.
constexpr uint32_t kSpinsBeforeYield = 2'000;

inline void PauseCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(uint32_t num_threads) {
  if (num_threads == 0) num_threads = std::max(1U, std::thread::hardware_concurrency());
  shares_ = std::vector<Share>(num_threads);
  workers_.reserve(num_threads - 1);
  for (uint32_t i = 1; i < num_threads; ++i) {
    workers_.emplace_back([this, i] { WorkerLoop(i); });
  }
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  generation_.fetch_add(1);
  WakeSleepers();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::RunLoop(uint32_t num_tasks, TaskReference task) {
  if (num_tasks == 0) return;
  if (num_tasks == 1 || workers_.empty()) {
    for (uint32_t i = 0; i < num_tasks; ++i) task.invoke(task.callable, i, 0);
    return;
  }
  task_ = task;
  for (size_t i = 0; i < shares_.size(); ++i) {
    shares_[i].next.store(static_cast<uint32_t>(i * num_tasks / shares_.size()), std::memory_order_relaxed);
    shares_[i].end = static_cast<uint32_t>((i + 1) * num_tasks / shares_.size());
  }
  workers_busy_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1);  // publishes what is written above
  WakeSleepers();
  RunTasks(0);
  uint32_t spins = 0;
  while (workers_busy_.load(std::memory_order_acquire) != 0) {
    if (++spins < kSpinsBeforeYield) {
      PauseCpu();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::WakeSleepers() {
  // A worker raises num_sleeping_ and then looks at generation_; the caller raises generation_ and then looks
  // at num_sleeping_. In the single order of sequentially consistent operations at least one sees the other.
  if (num_sleeping_.load() == 0) return;
  { const std::lock_guard lock(sleep_mutex_); }  // whoever was about to wait now waits
  wake_.notify_all();
}

void ThreadPool::RunTasks(uint32_t thread_index) {
  const auto num_shares = static_cast<uint32_t>(shares_.size());
  for (uint32_t i = 0; i < num_shares; ++i) {
    Share& share = shares_[(thread_index + i) % num_shares];
    while (share.next.load(std::memory_order_relaxed) < share.end) {
      const uint32_t index = share.next.fetch_add(1, std::memory_order_relaxed);
      if (index >= share.end) break;
      task_.invoke(task_.callable, index, thread_index);
    }
  }
}

void ThreadPool::WaitForLoop(uint64_t seen) {
  for (uint32_t spins = 0; spins < kSpinsBeforeSleep; ++spins) {
    if (generation_.load(std::memory_order_acquire) != seen) return;
    PauseCpu();
  }
  std::unique_lock lock(sleep_mutex_);
  num_sleeping_.fetch_add(1);
  wake_.wait(lock, [&] { return generation_.load() != seen; });
  num_sleeping_.fetch_sub(1);
}

void ThreadPool::WorkerLoop(uint32_t thread_index) {
  for (uint64_t seen = 0;; ++seen) {  // the caller starts no loop before all workers have left the last one
    WaitForLoop(seen);
    if (stopping_) return;
    RunTasks(thread_index);
    workers_busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace mimo
