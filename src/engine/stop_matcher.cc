#include "engine/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace mimo {

StopMatcher::StopMatcher(std::vector<std::string> stop_strings) {
  patterns_.reserve(stop_strings.size());
  for (std::string& text : stop_strings) {
    MIMO_CHECK(!text.empty());
    Pattern pattern;
    pattern.text = std::move(text);
    pattern.borders.assign(pattern.text.size(), 0);
    for (size_t i = 1; i < pattern.text.size(); ++i) {
      uint32_t length = pattern.borders[i - 1];
      while (length > 0 && pattern.text[i] != pattern.text[length]) length = pattern.borders[length - 1];
      if (pattern.text[i] == pattern.text[length]) ++length;
      pattern.borders[i] = length;
    }
    patterns_.push_back(std::move(pattern));
  }
}

void StopMatcher::Advance(Pattern& pattern, char byte) {
  while (pattern.matched > 0 && pattern.text[pattern.matched] != byte) {
    pattern.matched = pattern.borders[pattern.matched - 1];
  }
  if (pattern.text[pattern.matched] == byte) ++pattern.matched;
}

std::string StopMatcher::Push(std::string_view text) {
  if (matched_) return {};
  for (const char byte : text) {
    held_ += byte;
    const Pattern* complete = nullptr;
    for (Pattern& pattern : patterns_) {
      Advance(pattern, byte);
      if (pattern.matched < pattern.text.size()) continue;
      if (complete == nullptr || pattern.text.size() > complete->text.size()) complete = &pattern;
    }
    if (complete == nullptr) continue;
    matched_ = complete->text;
    held_.resize(held_.size() - complete->text.size());
    return std::exchange(held_, {});
  }
  size_t hold_back = 0;
  for (const Pattern& pattern : patterns_) hold_back = std::max<size_t>(hold_back, pattern.matched);
  std::string ready = held_.substr(0, held_.size() - hold_back);
  held_.erase(0, ready.size());
  return ready;
}

std::string StopMatcher::Finish() { return std::exchange(held_, {}); }

}  // namespace mimo
