#pragma once
// A fixed set of worker threads for the loops of one forward step.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
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

  // Calls task(index, thread_index) for each index in [0, num_tasks) and returns when all are done. A thread
  // takes a contiguous share, one by one in ascending order, so that tasks whose memory is contiguous read
  // one stream, and then what is left of the others' shares. thread_index < num_threads() selects per-thread
  // scratch memory. Never allocates. A task must not throw and must not start a loop of its own.
  template <typename Task>
  void ParallelFor(uint32_t num_tasks, const Task& task) {
    static_assert(std::is_invocable_v<const Task&, uint32_t, uint32_t>);
    RunLoop(num_tasks, {&task, [](const void* callable, uint32_t index, uint32_t thread_index) {
                          (*static_cast<const Task*>(callable))(index, thread_index);
                        }});
  }

 private:
  // A non-owning reference to the caller's task. Not std::function, which allocates once the task captures
  // more than two words, on every loop of every token.
  struct TaskReference {
    const void* callable = nullptr;
    void (*invoke)(const void* callable, uint32_t index, uint32_t thread_index) = nullptr;
  };

  // Tasks [next, end) are still to be handed out. On a cache line of its own.
  struct alignas(64) Share {
    std::atomic<uint32_t> next{0};
    uint32_t end = 0;
  };

  void RunLoop(uint32_t num_tasks, TaskReference task);
  void RunTasks(uint32_t thread_index);
  void WorkerLoop(uint32_t thread_index);
  void WaitForLoop(uint64_t seen);
  void WakeSleepers();

  std::vector<std::thread> workers_;
  TaskReference task_;         // valid while a loop runs
  std::vector<Share> shares_;  // [num_threads()]
  std::atomic<uint32_t> workers_busy_{0};
  std::atomic<uint64_t> generation_{0};  // counts loops; a worker that sees it change joins the new loop
  std::atomic<uint32_t> num_sleeping_{0};
  std::atomic<bool> stopping_{false};
  std::mutex sleep_mutex_;
  std::condition_variable wake_;
};

}  // namespace mimo
