#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include "engine/sampling_random.h"

namespace mimo {
namespace {

TEST(StopMatcher, LetsEverythingThroughWithoutStopStrings) {
  StopMatcher matcher({});
  EXPECT_EQ(matcher.Push("hello"), "hello");
  EXPECT_EQ(matcher.Finish(), "");
}

TEST(StopMatcher, CutsTheTextBeforeTheStopString) {
  StopMatcher matcher({"END"});
  EXPECT_EQ(matcher.Push("one END two"), "one ");
  EXPECT_EQ(matcher.matched(), "END");
  EXPECT_EQ(matcher.Push("three"), "");
  EXPECT_EQ(matcher.Finish(), "");
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeAStopString) {
  StopMatcher matcher({"\n\nUser:"});
  EXPECT_EQ(matcher.Push("line\n"), "line");
  EXPECT_EQ(matcher.Push("\n"), "");
  EXPECT_EQ(matcher.Push("\n"), "\n");  // three line ends: the first can no longer begin it
  EXPECT_EQ(matcher.Push("Us"), "");
  EXPECT_EQ(matcher.Finish(), "\n\nUs");
  EXPECT_FALSE(matcher.matched());
}

TEST(StopMatcher, PrefersTheStopStringThatIsCompleteFirst) {
  StopMatcher matcher({"abcd", "bc"});
  EXPECT_EQ(matcher.Push("xabcd"), "xa");
  EXPECT_EQ(matcher.matched(), "bc");
}

TEST(StopMatcher, PrefersTheLongestOfThoseThatEndTogether) {
  StopMatcher matcher({"d", "abcd", "cd"});
  EXPECT_EQ(matcher.Push("xabcd"), "x");
  EXPECT_EQ(matcher.matched(), "abcd");
}

// Where the first stop string to be complete begins, by trying every place.
size_t NaiveCut(const std::string& text, const std::vector<std::string>& stop_strings) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t cut = std::string::npos;
    for (const std::string& stop : stop_strings) {
      if (end >= stop.size() && text.compare(end - stop.size(), stop.size(), stop) == 0) {
        cut = std::min(cut, end - stop.size());
      }
    }
    if (cut != std::string::npos) return cut;
  }
  return text.size();
}

TEST(StopMatcher, GivesTheSameTextHoweverItIsSplit) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    uint64_t draws = 0;
    const auto random = [&](uint64_t bound) { return ScaleToBound(RandomBits(seed, draws++), bound); };
    const auto random_text = [&](size_t length) {
      std::string text;
      for (size_t i = 0; i < length; ++i) text += static_cast<char>('a' + random(2));
      return text;
    };
    std::vector<std::string> stop_strings(1 + random(3));
    for (std::string& stop : stop_strings) stop = random_text(1 + random(7));
    const std::string text = random_text(random(40));

    StopMatcher matcher(stop_strings);
    std::string emitted;
    for (size_t begin = 0; begin < text.size();) {
      const size_t length = 1 + random(5);
      emitted += matcher.Push(std::string_view(text).substr(begin, length));
      begin += length;
    }
    emitted += matcher.Finish();
    ASSERT_EQ(emitted, text.substr(0, NaiveCut(text, stop_strings))) << "seed " << seed;
  }
}

}  // namespace
}  // namespace mimo
