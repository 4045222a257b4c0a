#include "data/user_text.h"

#include <algorithm>

#include "data/home_generator.h"

namespace mimo {
namespace {

constexpr double kTypoShare = 0.06;
constexpr double kPoliteShare = 0.15;
constexpr double kCapitalShare = 0.3;
constexpr double kFullStopShare = 0.15;
constexpr double kNoQuestionMarkShare = 0.45;

bool IsSmallLetter(char c) { return c >= 'a' && c <= 'z'; }

bool Touches(size_t position, const std::vector<TextRange>& ranges) {
  // One byte around a slot, too, so that a swap never carries a letter into it.
  return std::any_of(ranges.begin(), ranges.end(), [position](const TextRange& range) {
    return position + 2 > range.begin && position < range.end + 1;
  });
}

// Swaps two letters, drops one or doubles one, inside a word of at least four letters.
void AddTypo(Random& random, std::string& text, const std::vector<TextRange>& slot_ranges) {
  std::vector<size_t> places;
  for (size_t i = 1; i + 2 < text.size(); ++i) {
    const bool inside = IsSmallLetter(text[i - 1]) && IsSmallLetter(text[i]) && IsSmallLetter(text[i + 1]) &&
                        IsSmallLetter(text[i + 2]);
    if (inside && !Touches(i, slot_ranges)) places.push_back(i);
  }
  if (places.empty()) return;
  const size_t place = random.Pick(places);
  switch (random.Below(3)) {
    case 0:
      std::swap(text[place], text[place + 1]);
      break;
    case 1:
      text.erase(place, 1);
      break;
    default:
      text.insert(place, 1, text[place]);
      break;
  }
}

bool EndsWithMark(std::string_view text) {
  for (const std::string_view mark : {".", "?", "!", "。", "？", "！", "~", "…"}) {
    if (text.ends_with(mark)) return true;
  }
  return false;
}

}  // namespace

std::string AsUserText(const LanguagePack& pack, Random& random, std::string phrase,
                       const std::vector<TextRange>& slot_ranges, SituationMood mood) {
  if (pack.has_case && random.Chance(kTypoShare)) AddTypo(random, phrase, slot_ranges);
  if (mood == SituationMood::kCommand && !pack.polite.empty() && random.Chance(kPoliteShare)) {
    phrase =
        random.Pick(pack.polite).Expand(random, [&](std::string_view, std::string& out) { out += phrase; });
  }
  const bool is_question = phrase.ends_with("?") || phrase.ends_with("？");
  if (is_question && random.Chance(kNoQuestionMarkShare)) {
    phrase.erase(phrase.size() - (phrase.ends_with("?") ? 1 : std::string_view("？").size()));
  } else if (!EndsWithMark(phrase) && random.Chance(kFullStopShare)) {
    phrase += pack.has_case ? "." : "。";
  }
  return pack.has_case && random.Chance(kCapitalShare) ? FirstUpper(phrase) : phrase;
}

std::string AsReplyText(const LanguagePack& pack, std::string phrase) {
  if (!EndsWithMark(phrase)) phrase += pack.has_case ? "." : "。";
  return pack.has_case ? FirstUpper(phrase) : phrase;
}

}  // namespace mimo
