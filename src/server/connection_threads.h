#pragma once
// The threads that connections run on.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mimo {

// Starts a thread when none is idle, up to a limit. Never queues: a connection that waits unseen would look
// like a hang. Thread-safe.
class ConnectionThreads {
 public:
  explicit ConnectionThreads(uint32_t threads_max) : threads_max_(threads_max) {}

  // False when all threads are busy and no more may be started; `task` then does not run.
  bool Run(std::function<void()> task);
  // Waits for what runs. Once, after which nothing more may be run.
  void Join();

 private:
  void Work();

  const uint32_t threads_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace mimo
