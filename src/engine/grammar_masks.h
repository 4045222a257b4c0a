#pragma once
// Token masks are computed beside the forward pass: the text they depend on is known when a step begins, and
// they are needed when it ends.

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/generation.h"

namespace mimo {

// Used by the engine thread only. The thread behind it starts with the first generation that has a grammar.
class GrammarMasks {
 public:
  GrammarMasks() = default;
  ~GrammarMasks();
  GrammarMasks(const GrammarMasks&) = delete;
  GrammarMasks& operator=(const GrammarMasks&) = delete;

  // Computes the masks of `generations`, which must not be touched before Wait returns.
  void Begin(std::vector<Generation*> generations);
  void Wait();

 private:
  void Run();

  std::mutex mutex_;  // guards what follows; not held while a mask is computed
  std::condition_variable changed_;
  std::vector<Generation*> work_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace mimo
