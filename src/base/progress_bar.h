#pragma once
// A progress bar on stderr; silent when stderr is not a terminal.

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace mimo {

// Thread-safe. The destructor ends the line.
class ProgressBar {
 public:
  // `total` in any unit; `label` stands before the bar.
  ProgressBar(std::string label, uint64_t total);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Advance(uint64_t amount);

 private:
  void Draw();

  const std::string label_;
  const uint64_t total_;
  const bool visible_;
  std::mutex mutex_;
  uint64_t done_ = 0;
  std::chrono::steady_clock::time_point last_drawn_{};
};

}  // namespace mimo
