#include "data/situation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "data/turn_drafter.h"

namespace mimo {
namespace {

constexpr int kHomesMax = 1500;

// A sentence of the situation in a generated home whose first room is the speaker's. Empty if no home allows
// one.
class Drafts {
 public:
  explicit Drafts(std::string_view language)
      : pack_(*LoadBuiltinLanguage(language)), homes_(pack_, 60), drafter_(pack_, homes_) {}

  std::optional<TurnDraft> Draw(const Situation& situation) {
    for (int i = 0; i < kHomesMax; ++i) {
      const GeneratedHome made = homes_.Make(random_);
      if (made.home.areas.empty()) continue;
      std::vector<std::string> lower_names;
      for (const HomeDevice& device : made.home.devices) lower_names.push_back(LowerCase(device.name));
      const HomeArea& here = made.home.areas.front();
      const HomeView view{made, made.home, made.home.devices.size(), here.name, here.id, lower_names};
      std::optional<TurnDraft> draft = drafter_.Draft(situation, view, random_);
      speaker_area_ = here.name;
      if (draft) return draft;
    }
    return std::nullopt;
  }
  std::optional<TurnDraft> Draw(std::string_view name) {
    for (const Situation& situation : Situations()) {
      if (situation.name == name) return Draw(situation);
    }
    return std::nullopt;
  }
  const std::string& speaker_area() const { return speaker_area_; }

 private:
  LanguagePack pack_;
  HomeGenerator homes_;
  TurnDrafter drafter_;
  Random random_{7};
  std::string speaker_area_;
};

TEST(Situations, CanEachBeSaidInSomeHome) {
  for (const std::string_view language : {"en", "zh"}) {
    Drafts drafts(language);
    for (const Situation& situation : Situations()) {
      const std::optional<TurnDraft> draft = drafts.Draw(situation);
      ASSERT_TRUE(draft) << language << " " << situation.name;
      EXPECT_EQ(draft->call.name, situation.tool);
    }
  }
}

TEST(Situations, AskABinarySensorForWhatItNotices) {
  Drafts drafts("en");
  const std::optional<TurnDraft> draft = drafts.Draw("state.detected_area");
  ASSERT_TRUE(draft);
  EXPECT_EQ(draft->call.arguments.at("domain"), "binary_sensor");
  EXPECT_EQ(draft->call.arguments.at("state"), "on");
  EXPECT_TRUE(draft->call.arguments.contains("device_class"));
  EXPECT_TRUE(draft->call.arguments.contains("area"));
}

TEST(Situations, CleanTheSpeakersRoomWhereverTheVacuumStands) {
  Drafts drafts("en");
  const std::optional<TurnDraft> draft = drafts.Draw("vacuum.here");
  ASSERT_TRUE(draft);
  EXPECT_EQ(draft->call.arguments, Json({{"area", drafts.speaker_area()}}));
}

}  // namespace
}  // namespace mimo
