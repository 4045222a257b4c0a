#include "base/progress_bar.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace mimo {
namespace {

constexpr uint32_t kBarWidth = 40;
constexpr std::chrono::milliseconds kRedrawInterval{50};

}  // namespace

ProgressBar::ProgressBar(std::string label, uint64_t total)
    : label_(std::move(label)), total_(std::max<uint64_t>(total, 1)), visible_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (!visible_) return;
  Draw();
  std::fputc('\n', stderr);
}

void ProgressBar::Advance(uint64_t amount) {
  const std::lock_guard lock(mutex_);
  done_ = std::min(total_, done_ + amount);
  const auto now = std::chrono::steady_clock::now();
  if (!visible_ || now - last_drawn_ < kRedrawInterval) return;
  last_drawn_ = now;
  Draw();
}

void ProgressBar::Draw() {
  const auto filled = static_cast<uint32_t>(kBarWidth * done_ / total_);
  fmt::print(stderr, "\r{} [{}{}] {:3d} %", label_, std::string(filled, '#'),
             std::string(kBarWidth - filled, '.'), 100 * done_ / total_);
  std::fflush(stderr);
}

}  // namespace mimo
