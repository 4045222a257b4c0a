#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/language_pack.h"
#include "data/random.h"
#include "home/home.h"

namespace mimo {

// How a device is called besides its name.
struct SpokenName {
  std::string short_name;  // where the name is longer, or spelt as no person says it; else empty
  std::string kind;        // the kind that the name is one of: a switch may be called a lamp
};

// A home, and which words of the pack its places and devices were named with.
struct GeneratedHome {
  static constexpr size_t kInvented = SIZE_MAX;

  Home home;
  std::vector<size_t> area_words;        // [areas] index into pack.areas, or kInvented
  std::vector<size_t> floor_words;       // [floors] index into pack.floors
  std::vector<SpokenName> spoken_names;  // [devices]
};

// A word that nobody knows, so that it can only be copied: syllables where letters have case, else
// characters from the pack's own words. Never a rude one (rude_fragments.h).
class WordInventor {
 public:
  explicit WordInventor(const LanguagePack& pack);
  std::string Invent(Random& random) const;

 private:
  std::string Draw(Random& random) const;

  bool has_case_;
  std::vector<std::string> characters_;
};

// Homes of all sizes, from nothing at all to `devices_max` devices, with a median of about eight.
class HomeGenerator {
 public:
  // `pack` must outlive the generator.
  HomeGenerator(const LanguagePack& pack, uint32_t devices_max);

  GeneratedHome Make(Random& random) const;

  // A name for a device of `kind` in the room `area` (may be empty: then the name holds no room).
  // Requires: the pack has the kind.
  std::string DeviceName(Random& random, std::string_view kind, const std::string& area) const;
  const WordInventor& inventor() const { return inventor_; }

 private:
  void AddPlaces(Random& random, uint32_t num_devices, GeneratedHome& made) const;
  void AddDevice(Random& random, GeneratedHome& made) const;
  std::string NameDevice(Random& random, std::string_view kind, const std::string& area,
                         SpokenName& spoken) const;
  std::string SystemsName(Random& random, const std::string& said) const;
  void FillList(Random& random, const Home& home, HomeDevice& list) const;
  void AddTimers(Random& random, Home& home) const;
  std::string InCase(Random& random, std::string name) const;

  const LanguagePack& pack_;
  uint32_t devices_max_;
  WordInventor inventor_;
  std::vector<std::string> kinds_;
  WeightedChoice kind_choice_;
};

// Upper case for the first letter of each word, or of the first alone. ASCII and Latin-1 letters.
std::string TitleCase(std::string_view text);
std::string FirstUpper(std::string_view text);
std::string LowerCase(std::string_view text);

}  // namespace mimo
