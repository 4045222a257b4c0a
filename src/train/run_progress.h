#pragma once
// The bar of a training run on stderr, with what a person waits for; silent when stderr is not a terminal.

#include <cstdint>

namespace mimo {

struct RunProgressLine {
  uint64_t steps = 0;
  double share_done = 0;  // 0 to 1, of the budget
  double loss = 0;
  double tokens_per_second = 0;
  double seconds_left = 0;
};

// Not thread-safe. The destructor ends the line.
class RunProgress {
 public:
  RunProgress();
  ~RunProgress();
  RunProgress(const RunProgress&) = delete;
  RunProgress& operator=(const RunProgress&) = delete;

  void Show(const RunProgressLine& line);
  // Before something else is written to stderr.
  void EndLine();

 private:
  const bool visible_;
  bool line_is_open_ = false;
};

}  // namespace mimo
