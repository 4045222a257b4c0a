#pragma once
// A progress bar on stderr; silent when stderr is not a terminal. Whoever else wants to know, such as a
// server that is asked while its model loads, reads ProgressBar::Current().

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
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

  struct Snapshot {
    std::string label;
    double fraction = 0;
    std::chrono::duration<double> elapsed{0};
  };
  // Of the newest bar that is still there. The one place where bars are known, as there is one stderr.
  static std::optional<Snapshot> Current();

 private:
  void Draw();

  const std::string label_;
  const uint64_t total_;
  const bool visible_;
  const std::chrono::steady_clock::time_point began_at_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  uint64_t done_ = 0;
  std::chrono::steady_clock::time_point last_drawn_{};
};

}  // namespace mimo
