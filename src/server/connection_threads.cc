#include "server/connection_threads.h"

#include <utility>

namespace mimo {

bool ConnectionThreads::Run(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (tasks_.size() >= idle_) {
    if (threads_.size() >= threads_max_) return false;
    threads_.emplace_back([this] { Work(); });
  }
  tasks_.push_back(std::move(task));
  wake_.notify_one();
  return true;
}

void ConnectionThreads::Join() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ConnectionThreads::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace mimo
