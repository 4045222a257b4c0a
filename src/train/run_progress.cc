#include "train/run_progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

namespace mimo {
namespace {

constexpr int kBarWidth = 30;

std::string Duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::max(0.0, seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

}  // namespace

RunProgress::RunProgress() : visible_(isatty(STDERR_FILENO) == 1) {}

RunProgress::~RunProgress() { EndLine(); }

void RunProgress::Show(const RunProgressLine& line) {
  if (!visible_) return;
  const double share = std::clamp(line.share_done, 0.0, 1.0);
  const auto filled = static_cast<size_t>(std::lround(kBarWidth * share));
  const std::string text =
      fmt::format("step {} [{}{}] {:3.0f} %  loss {:.4f}  {:.0f} tokens/s  {} left", line.steps,
                  std::string(filled, '#'), std::string(kBarWidth - filled, '.'), 100.0 * share, line.loss,
                  line.tokens_per_second, Duration(line.seconds_left));
  fmt::print(stderr, "\r\x1b[K{}", text);
  std::fflush(stderr);
  line_is_open_ = true;
}

void RunProgress::EndLine() {
  if (line_is_open_) std::fputc('\n', stderr);
  line_is_open_ = false;
}

}  // namespace mimo
