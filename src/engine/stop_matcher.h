#pragma once
// Stop strings over streamed text.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mimo {

// Lets text through until a stop string is complete. What may still become a stop string is held back, and
// nothing else. The first stop string to be complete wins, the longest of them if several end together; so
// the result does not depend on how the text is split.
class StopMatcher {
 public:
  // Requires: no stop string is empty.
  explicit StopMatcher(std::vector<std::string> stop_strings);

  // The text that can go out now: up to the stop string once one is complete. Text after a match is ignored.
  std::string Push(std::string_view text);
  // What was held back, now that no more text comes. Empty after a match.
  std::string Finish();

  // The stop string that was found.
  const std::optional<std::string>& matched() const { return matched_; }

 private:
  // Knuth-Morris-Pratt: `matched` bytes of `text` are the longest prefix that ends at the current place;
  // borders[i] is the length of the longest proper prefix of text[0..i] that is also its suffix.
  struct Pattern {
    std::string text;
    std::vector<uint32_t> borders;
    uint32_t matched = 0;
  };
  static void Advance(Pattern& pattern, char byte);

  std::vector<Pattern> patterns_;
  std::string held_;  // at most one byte less than the longest stop string between calls
  std::optional<std::string> matched_;
};

}  // namespace mimo
