#include "data/spoken_values.h"

namespace mimo {
namespace {

// Stands for the number while it is not decided whether digits or words fit its surroundings.
constexpr char kNumberMark = '\x01';

constexpr double kWordsShare = 0.35;

// Words beside these would be "fifty%".
bool WantsDigits(std::string_view text, size_t mark) {
  const std::string_view after = text.substr(mark + 1);
  return after.starts_with('%') || after.starts_with("°") || after.starts_with('K') ||
         after.starts_with(':') || (mark > 0 && text[mark - 1] == ':');
}

// "1 hour" rather than "an hour", where the language has it.
const Phrase& UsualOne(const DurationWords& words) {
  Random random(1);
  for (const Phrase& phrase : words.one) {
    if (phrase.Expand(random, [](std::string_view, std::string&) {}).starts_with('1')) return phrase;
  }
  return words.one.front();
}

}  // namespace

SpokenDuration DrawDuration(Random& random) {
  const double draw = random.Unit();
  SpokenDuration duration;
  if (draw < 0.38) {
    duration.minutes = random.Between(1, 90);
  } else if (draw < 0.55) {
    duration.seconds = random.Between(1, 90);
  } else if (draw < 0.67) {
    duration.hours = random.Between(1, 24);
  } else if (draw < 0.71) {
    duration.minutes = 30;
  } else if (draw < 0.74) {
    duration.seconds = 30;
  } else if (draw < 0.78) {
    duration = {random.Between(1, 12), 30, 0};
  } else if (draw < 0.82) {
    duration = {0, random.Between(1, 30), 30};
  } else if (draw < 0.89) {
    duration = {random.Between(1, 12), random.Between(1, 59), 0};
  } else if (draw < 0.95) {
    duration = {0, random.Between(1, 59), random.Between(1, 59)};
  } else if (draw < 0.98) {
    duration = {random.Between(1, 12), 0, random.Between(1, 59)};
  } else {
    duration = {random.Between(1, 12), random.Between(1, 59), random.Between(1, 59)};
  }
  return duration;
}

SpokenDuration DurationOf(uint32_t seconds) {
  // Up to ninety, as people say it.
  if (seconds <= 90) return {0, seconds == 60 ? 1u : 0u, seconds == 60 ? 0 : seconds};
  if (seconds % 60 == 0 && seconds <= 90 * 60 && seconds != 3600) return {0, seconds / 60, 0};
  return {seconds / 3600, seconds / 60 % 60, seconds % 60};
}

Json DegreesArgument(uint32_t tenths) {
  if (tenths % 10 == 0) return tenths / 10;
  return tenths / 10.0;
}

std::string SpokenValues::Fill(Random& random, const std::vector<Phrase>& phrases, uint32_t number) const {
  std::string text =
      random.Pick(phrases).Expand(random, [](std::string_view, std::string& out) { out += kNumberMark; });
  const size_t mark = text.find(kNumberMark);
  if (mark == std::string::npos) return text;
  const bool as_words =
      number < pack_.numbers.size() && !WantsDigits(text, mark) && random.Chance(kWordsShare);
  return text.replace(mark, 1, as_words ? pack_.numbers[number] : fmt::format("{}", number));
}

std::string SpokenValues::Percent(Random& random, uint32_t percent) const {
  return Fill(random, pack_.List("percent"), percent);
}

std::string SpokenValues::Degrees(Random& random, uint32_t tenths) const {
  const uint32_t whole = tenths / 10;
  const uint32_t rest = tenths % 10;
  if (rest == 0) return Fill(random, pack_.List("degrees"), whole);
  if (rest == 5 && !pack_.half_degrees.empty() && random.Chance(0.3)) {
    return Fill(random, pack_.half_degrees, whole);
  }
  std::string text =
      random.Pick(pack_.List("degrees")).Expand(random, [](std::string_view, std::string& out) {
        out += kNumberMark;
      });
  const size_t mark = text.find(kNumberMark);
  if (mark == std::string::npos) return text;
  const bool as_words = !pack_.point.empty() && whole < pack_.numbers.size() && !WantsDigits(text, mark) &&
                        random.Chance(kWordsShare);
  return text.replace(mark, 1,
                      as_words ? pack_.numbers[whole] + pack_.point + pack_.numbers[rest]
                               : fmt::format("{}.{}", whole, rest));
}

std::string SpokenValues::Kelvin(Random& random, uint32_t kelvin) const {
  const std::vector<Phrase>& phrases = pack_.List("kelvin");
  if (phrases.empty()) return fmt::format("{}{}", kelvin, random.Chance(0.6) ? " kelvin" : "K");
  return random.Pick(phrases).Expand(
      random, [&](std::string_view, std::string& out) { out += fmt::format("{}", kelvin); });
}

std::string SpokenValues::Unit(Random& random, const DurationWords& words, uint32_t number) const {
  if (number == 1 && !words.one.empty()) {
    return random.Pick(words.one).Expand(random, [](std::string_view, std::string& out) { out += '1'; });
  }
  return Fill(random, words.many, number);
}

std::string SpokenValues::Duration(Random& random, const SpokenDuration& duration) const {
  const auto [hours, minutes, seconds] = duration;
  const auto half = [&](const std::vector<Phrase>& phrases) {
    return !phrases.empty() && random.Chance(0.5);
  };
  if (hours == 0 && minutes == 30 && seconds == 0 && half(pack_.hours.half)) {
    return Fill(random, pack_.hours.half, 30);
  }
  if (hours == 0 && minutes == 0 && seconds == 30 && half(pack_.minutes.half)) {
    return Fill(random, pack_.minutes.half, 30);
  }
  if (hours > 0 && minutes == 30 && seconds == 0 && half(pack_.hours.and_half)) {
    return Fill(random, pack_.hours.and_half, hours);
  }
  if (hours == 0 && minutes > 0 && seconds == 30 && half(pack_.minutes.and_half)) {
    return Fill(random, pack_.minutes.and_half, minutes);
  }
  const bool is_fives = hours == 0 && seconds == 0 && minutes > 0 && minutes < 60 && minutes % 5 == 0;
  if (is_fives && !pack_.minutes.fives.empty() && random.Chance(0.25)) {
    return Fill(random, pack_.minutes.fives, minutes / 5);
  }
  std::string text;
  const std::string& join = random.Pick(pack_.duration_joins);
  const auto add = [&](const DurationWords& words, uint32_t number) {
    if (number == 0) return;
    if (!text.empty()) text += join;
    text += Unit(random, words, number);
  };
  add(pack_.hours, hours);
  add(pack_.minutes, minutes);
  add(pack_.seconds, seconds);
  return text;
}

std::string SpokenValues::PlainDuration(Random& random, const SpokenDuration& duration) const {
  std::string text;
  const auto add = [&](const DurationWords& words, uint32_t number, bool even_if_zero) {
    if (number == 0 && !even_if_zero) return;
    if (!text.empty()) text += pack_.duration_joins.front();
    const Phrase& phrase = number == 1 ? UsualOne(words) : words.many.front();
    text += phrase.Expand(random, [&](std::string_view, std::string& out) { out += std::to_string(number); });
  };
  add(pack_.hours, duration.hours, false);
  add(pack_.minutes, duration.minutes, false);
  add(pack_.seconds, duration.seconds, text.empty());
  return text;
}

std::string SpokenValues::ClockTime(Random& random) const {
  const uint32_t hour = random.Between(1, 12);
  const uint32_t minute = random.Chance(0.8) ? 5 * random.Between(1, 11) : random.Between(1, 59);
  return random.Pick(pack_.List("clock_times")).Expand(random, [&](std::string_view slot, std::string& out) {
    out += slot == "minute" ? fmt::format("{:02}", minute) : fmt::format("{}", hour);
  });
}

}  // namespace mimo
