#include "data/user_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace mimo {
namespace {

constexpr int kTypedDraws = 2000;

TEST(UserTextMaker, NeverMisspellsWhatCameFromASlot) {
  const LanguagePack pack = *LoadBuiltinLanguage("en");
  const UserTextMaker maker(pack);
  const std::string phrase = "switch something Balloonish 4455 quickly";
  Random random(1);
  int num_typos = 0;
  for (int i = 0; i < kTypedDraws; ++i) {
    const std::string text = maker.Make(random, phrase, {{17, 27}, {28, 32}}, SituationMood::kRemark);
    EXPECT_THAT(text, testing::HasSubstr(" Balloonish 4455 "));
    num_typos +=
        text.find("witch something") == std::string::npos || text.find("quickly") == std::string::npos;
  }
  EXPECT_GT(num_typos, kTypedDraws / 50);
  EXPECT_LT(num_typos, kTypedDraws / 8);
}

TEST(UserTextMaker, IsPoliteOnlyInCommandsThatAreNotYet) {
  const LanguagePack pack = *LoadBuiltinLanguage("en");
  const UserTextMaker maker(pack);
  Random random(2);
  const auto longest = [&](const std::string& phrase, SituationMood mood) {
    size_t size = 0;
    for (int i = 0; i < kTypedDraws; ++i) size = std::max(size, maker.Make(random, phrase, {}, mood).size());
    return size;
  };
  const std::string plain = "lamps on";
  const std::string polite = "could you do it";
  EXPECT_GT(longest(plain, SituationMood::kCommand), plain.size() + 5);
  EXPECT_LE(longest(plain, SituationMood::kQuestion), plain.size() + 2);
  EXPECT_LE(longest(plain, SituationMood::kRemark), plain.size() + 2);
  EXPECT_LE(longest(polite, SituationMood::kCommand), polite.size() + 2);
}

TEST(UserTextMaker, SetsBlanksAroundChineseSlotsButNotInThem) {
  const LanguagePack pack = *LoadBuiltinLanguage("zh");
  const UserTextMaker maker(pack);
  Random random(3);
  const std::string phrase = "把书房灯打开";
  const TextRange slot{3, 12};
  int num_spaced = 0;
  for (int i = 0; i < kTypedDraws; ++i) {
    std::string text = maker.Make(random, phrase, {slot}, SituationMood::kRemark);
    EXPECT_THAT(text, testing::HasSubstr("书房灯"));
    num_spaced += text.starts_with("把 书房灯 ") ? 1 : 0;
    text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
    EXPECT_TRUE(text.starts_with(phrase)) << text;
  }
  EXPECT_GT(num_spaced, kTypedDraws / 20);
  EXPECT_LT(num_spaced, kTypedDraws / 5);
}

TEST(AsReplyText, AddsCapitalAndFullStopWhereTheLanguageHasThem) {
  EXPECT_EQ(AsReplyText(*LoadBuiltinLanguage("en"), "it is on"), "It is on.");
  EXPECT_EQ(AsReplyText(*LoadBuiltinLanguage("en"), "Which one?"), "Which one?");
  EXPECT_EQ(AsReplyText(*LoadBuiltinLanguage("zh"), "好的"), "好的。");
}

}  // namespace
}  // namespace mimo
