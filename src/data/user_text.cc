#include "data/user_text.h"

#include <algorithm>

#include "data/home_generator.h"
#include "text/unicode.h"

namespace mimo {
namespace {

constexpr double kTypoShare = 0.06;
constexpr double kBlanksShare = 0.1;  // where words are written without
constexpr double kPoliteShare = 0.2;  // of what is not polite already
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

// Blanks around slots and here and there between characters, as from a keyboard that writes word by word.
void AddBlanks(Random& random, std::string& text, const std::vector<TextRange>& slot_ranges) {
  constexpr double kBetweenCharacters = 0.15;
  std::string spaced;
  for (size_t position = 0; position < text.size();) {
    const auto is_edge = [position](const TextRange& range) {
      return range.begin == position || range.end == position;
    };
    const auto is_inside = [position](const TextRange& range) {
      return range.begin < position && position < range.end;
    };
    const bool edge = std::any_of(slot_ranges.begin(), slot_ranges.end(), is_edge);
    const bool inside = std::any_of(slot_ranges.begin(), slot_ranges.end(), is_inside);
    const bool between = edge || (!inside && random.Chance(kBetweenCharacters));
    if (between && position > 0 && spaced.back() != ' ' && text[position] != ' ') spaced += ' ';
    const size_t length = DecodeUtf8(text, position).length;
    spaced.append(text, position, length);
    position += length;
  }
  text = std::move(spaced);
}

bool EndsWithMark(std::string_view text) {
  for (const std::string_view mark : {".", "?", "!", "。", "？", "！", "~", "…"}) {
    if (text.ends_with(mark)) return true;
  }
  return false;
}

}  // namespace

UserTextMaker::UserTextMaker(const LanguagePack& pack) : pack_(pack) {
  constexpr int kSamplesPerPhrase = 10;
  Random random(1);
  for (const Phrase& phrase : pack.polite) {
    for (int i = 0; i < kSamplesPerPhrase; ++i) {
      const std::string text = phrase.Expand(random, [](std::string_view, std::string&) {});
      if (!text.empty()) polite_words_.emplace(FirstWord(text));
    }
  }
}

std::string_view UserTextMaker::FirstWord(std::string_view text) const {
  if (pack_.has_case) return text.substr(0, text.find_first_of(" ,"));
  return text.empty() ? text : text.substr(0, DecodeUtf8(text, 0).length);
}

std::string UserTextMaker::Make(Random& random, std::string phrase, const std::vector<TextRange>& slot_ranges,
                                SituationMood mood) const {
  // Packs have polite phrases, too; "could you could you" nobody says.
  const bool may_be_polite = mood == SituationMood::kCommand && !pack_.polite.empty() &&
                             !polite_words_.contains(FirstWord(phrase)) && !EndsWithMark(phrase);
  if (pack_.has_case && random.Chance(kTypoShare)) AddTypo(random, phrase, slot_ranges);
  if (!pack_.has_case && random.Chance(kBlanksShare)) AddBlanks(random, phrase, slot_ranges);
  if (may_be_polite && random.Chance(kPoliteShare)) {
    phrase =
        random.Pick(pack_.polite).Expand(random, [&](std::string_view, std::string& out) { out += phrase; });
  }
  const bool is_question = phrase.ends_with("?") || phrase.ends_with("？");
  if (is_question && random.Chance(kNoQuestionMarkShare)) {
    phrase.erase(phrase.size() - (phrase.ends_with("?") ? 1 : std::string_view("？").size()));
  } else if (!EndsWithMark(phrase) && random.Chance(kFullStopShare)) {
    phrase += pack_.has_case ? "." : "。";
  }
  return pack_.has_case && random.Chance(kCapitalShare) ? FirstUpper(phrase) : phrase;
}

std::string AsReplyText(const LanguagePack& pack, std::string phrase) {
  if (!EndsWithMark(phrase)) phrase += pack.has_case ? "." : "。";
  return pack.has_case ? FirstUpper(phrase) : phrase;
}

}  // namespace mimo
