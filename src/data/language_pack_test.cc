#include "data/language_pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimo {
namespace {

TEST(LanguagePack, EveryBuiltinPackHoldsWhatTheSpecificationAsksFor) {
  const std::vector<std::string> languages = BuiltinLanguages();
  EXPECT_THAT(languages, testing::IsSupersetOf({"en", "zh"}));
  for (const std::string& language : languages) {
    const Result<LanguagePack> pack = LoadBuiltinLanguage(language);
    ASSERT_TRUE(pack) << pack.error().message;
    EXPECT_EQ(pack->language, language);
    EXPECT_THAT(LanguagePackFaults(*pack), testing::IsEmpty()) << language;
  }
}

TEST(LanguagePack, NamesThePacksThereAreForAnUnknownLanguage) {
  const Result<LanguagePack> pack = LoadBuiltinLanguage("tlh");
  ASSERT_FALSE(pack);
  EXPECT_EQ(pack.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(pack.error().message, testing::HasSubstr("en"));
}

TEST(LanguagePack, NamesTheKeyThatIsMissingOrWrong) {
  EXPECT_FALSE(ParseLanguagePack(Json::array()));
  const Result<LanguagePack> empty = ParseLanguagePack(Json::object());
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().message, testing::HasSubstr("missing"));
  const Result<LanguagePack> wrong =
      ParseLanguagePack({{"language", "x"}, {"has_case", true}, {"numbers", {1, 2}}});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, testing::HasSubstr("numbers"));
}

}  // namespace
}  // namespace mimo
