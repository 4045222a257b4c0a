#include "engine/grammar_masks.h"

#include <utility>

namespace mimo {

GrammarMasks::~GrammarMasks() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void GrammarMasks::Begin(std::vector<Generation*> generations) {
  if (generations.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    work_ = std::move(generations);
    busy_ = true;
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  changed_.notify_all();
}

void GrammarMasks::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !busy_; });
}

void GrammarMasks::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || busy_; });
    if (stopping_) return;
    const std::vector<Generation*> work = std::exchange(work_, {});
    lock.unlock();
    for (Generation* generation : work) generation->PrepareMask();
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace mimo
