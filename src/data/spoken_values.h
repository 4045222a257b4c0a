#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/language_pack.h"
#include "data/random.h"

namespace mimo {

// As a timer is told: a minute and ninety seconds is not two and a half minutes.
struct SpokenDuration {
  uint32_t hours = 0;
  uint32_t minutes = 0;
  uint32_t seconds = 0;
};

// Every length from seconds to a day, mostly of one unit.
SpokenDuration DrawDuration(Random& random);
// The units that a number of seconds is told in.
SpokenDuration DurationOf(uint32_t seconds);

// Says numbers in one language, as digits or as words. Immutable; any thread.
class SpokenValues {
 public:
  explicit SpokenValues(const LanguagePack& pack) : pack_(pack) {}

  std::string Percent(Random& random, uint32_t percent) const;
  // In tenths of a degree: 205 is 20.5.
  std::string Degrees(Random& random, uint32_t tenths) const;
  std::string Kelvin(Random& random, uint32_t kelvin) const;
  std::string Duration(Random& random, const SpokenDuration& duration) const;
  // With digits and the usual words, as an answer is told.
  std::string PlainDuration(Random& random, const SpokenDuration& duration) const;
  std::string ClockTime(Random& random) const;

 private:
  std::string Fill(Random& random, const std::vector<Phrase>& phrases, uint32_t number) const;
  std::string Unit(Random& random, const DurationWords& words, uint32_t number) const;

  const LanguagePack& pack_;
};

// The value of an argument in degrees: an integer where it is one.
Json DegreesArgument(uint32_t tenths);

}  // namespace mimo
