#include "base/progress_bar.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

namespace mimo {
namespace {

constexpr uint32_t kBarWidth = 40;
constexpr std::chrono::milliseconds kRedrawInterval{50};

// The bars that are there, the newest last. Locked before a bar's own mutex.
std::mutex bars_mutex;
std::vector<const ProgressBar*> bars;

}  // namespace

ProgressBar::ProgressBar(std::string label, uint64_t total)
    : label_(std::move(label)), total_(std::max<uint64_t>(total, 1)), visible_(isatty(STDERR_FILENO) == 1) {
  const std::lock_guard lock(bars_mutex);
  bars.push_back(this);
}

ProgressBar::~ProgressBar() {
  {
    const std::lock_guard lock(bars_mutex);
    std::erase(bars, this);
  }
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

std::optional<ProgressBar::Snapshot> ProgressBar::Current() {
  const std::lock_guard lock(bars_mutex);
  if (bars.empty()) return std::nullopt;
  const ProgressBar& bar = *bars.back();
  const std::lock_guard bar_lock(bar.mutex_);
  return Snapshot{.label = bar.label_,
                  .fraction = static_cast<double>(bar.done_) / static_cast<double>(bar.total_),
                  .elapsed = std::chrono::steady_clock::now() - bar.began_at_};
}

void ProgressBar::Draw() {
  const auto filled = static_cast<uint32_t>(kBarWidth * done_ / total_);
  fmt::print(stderr, "\r{} [{}{}] {:3d} %", label_, std::string(filled, '#'),
             std::string(kBarWidth - filled, '.'), 100 * done_ / total_);
  std::fflush(stderr);
}

}  // namespace mimo
