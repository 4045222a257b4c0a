#pragma once
// A fixed set of worker threads for the loops of one forward step.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace mimo {

// Runs loops whose iterations are independent. One caller at a time: the engine thread. The result of a loop
// must not depend on which thread runs which iteration; with that, one thread and N threads give equal bits.
class ThreadPool {
 public:
  // `num_threads` includes the caller, so 1 starts no thread. 0 means one per core.
  explicit ThreadPool(uint32_t num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t num_threads() const { return static_cast<uint32_t>(workers_.size()) + 1; }

  // Calls task(index, thread_index) for each index in [0, num_tasks) and returns when all are done. Tasks are
  // handed out one by one in ascending order. thread_index < num_threads() selects per-thread scratch memory.
  void ParallelFor(uint32_t num_tasks,
                   const std::function<void(uint32_t index, uint32_t thread_index)>& task);

 private:
  void WorkerLoop(uint32_t thread_index);
  void RunTasks(uint32_t thread_index);

  std::vector<std::thread> workers_;
  const std::function<void(uint32_t, uint32_t)>* task_ = nullptr;  // valid while a loop runs
  uint32_t num_tasks_ = 0;
  std::atomic<uint32_t> next_task_{0};
  std::atomic<uint32_t> workers_busy_{0};
  std::atomic<uint64_t> generation_{0};  // counts loops; a worker that sees it change joins the new loop
  std::atomic<bool> stopping_{false};
  std::mutex sleep_mutex_;
  std::condition_variable wake_;
};

}  // namespace mimo
