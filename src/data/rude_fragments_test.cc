#include "data/rude_fragments.h"

#include <gtest/gtest.h>

#include "data/home_generator.h"

namespace mimo {
namespace {

TEST(RudeFragments, AreFoundAnywhereInAWord) {
  for (const std::string_view word : {"fuk", "trafuckee", "shit", "bashitou", "dick", "knig", "大屁王"}) {
    EXPECT_TRUE(HoldsRudeFragment(word)) << word;
  }
}

TEST(RudeFragments, AreNotFoundInPlainWords) {
  for (const std::string_view word : {"", "flarp", "zoundel", "brailm", "trouxee", "小米"}) {
    EXPECT_FALSE(HoldsRudeFragment(word)) << word;
  }
}

TEST(RudeFragments, AreInNoInventedWord) {
  for (const std::string& language : BuiltinLanguages()) {
    const LanguagePack pack = *LoadBuiltinLanguage(language);
    const WordInventor inventor(pack);
    Random random(4);
    for (int i = 0; i < 5000; ++i) {
      const std::string word = inventor.Invent(random);
      EXPECT_FALSE(HoldsRudeFragment(word)) << word;
      EXPECT_FALSE(word.empty());
    }
  }
}

}  // namespace
}  // namespace mimo
