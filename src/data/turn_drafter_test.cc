#include "data/turn_drafter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace mimo {
namespace {

constexpr int kDraws = 2000;

TEST(TurnDrafter, SaysRemarksAloneButNeverAsAPartOfAnotherSentence) {
  const LanguagePack pack = *LoadBuiltinLanguage("en");
  const HomeGenerator homes(pack, 10);
  const TurnDrafter drafter(pack, homes);
  Random random(1);
  int num_remarks = 0;
  std::set<std::string> parts;
  std::set<std::string> remarks;
  for (int i = 0; i < kDraws; ++i) {
    const std::optional<SaidSentence> alone = drafter.Say("volume.down", SlotWords(), random);
    ASSERT_TRUE(alone);
    num_remarks += alone->is_remark ? 1 : 0;
    if (alone->is_remark) remarks.insert(alone->text);
    const std::optional<SaidSentence> part =
        drafter.Say("volume.down", SlotWords(), random, SentenceUse::kPartOfAnother);
    ASSERT_TRUE(part);
    EXPECT_FALSE(part->is_remark);
    parts.insert(part->text);
  }
  EXPECT_GT(num_remarks, kDraws / 20);
  EXPECT_LT(num_remarks, kDraws / 2);
  EXPECT_THAT(remarks, testing::Contains("it's too loud"));
  for (const std::string& remark : remarks) EXPECT_THAT(parts, testing::Not(testing::Contains(remark)));
}

TEST(TurnDraft, IsARemarkWhereItsSentenceIsOne) {
  TurnDraft draft;
  draft.SetSentence({.text = "it's dark", .slot_ranges = {{5, 9}}, .is_remark = true},
                    SituationMood::kCommand);
  EXPECT_EQ(draft.phrase, "it's dark");
  EXPECT_EQ(draft.slot_ranges.size(), 1u);
  EXPECT_EQ(draft.mood, SituationMood::kRemark);
  draft.SetSentence({.text = "lamps on", .slot_ranges = {}, .is_remark = false}, SituationMood::kCommand);
  EXPECT_EQ(draft.mood, SituationMood::kCommand);
}

}  // namespace
}  // namespace mimo
