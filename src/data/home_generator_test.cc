#include "data/home_generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace mimo {
namespace {

TEST(HomeGenerator, MakesHomesOfAllSizesWithAMedianOfAboutEight) {
  const LanguagePack pack = *LoadBuiltinLanguage("en");
  const HomeGenerator homes(pack, 120);
  Random random(1);
  std::vector<size_t> sizes;
  for (int i = 0; i < 1000; ++i) sizes.push_back(homes.Make(random).home.devices.size());
  std::sort(sizes.begin(), sizes.end());
  EXPECT_EQ(sizes.front(), 0u);
  EXPECT_GE(sizes[500], 6u);
  EXPECT_LE(sizes[500], 10u);
  EXPECT_GT(sizes.back(), 80u);
  EXPECT_LE(sizes.back(), 120u);
}

TEST(HomeGenerator, PlacesEveryDeviceInARoomThereIs) {
  for (const std::string& language : BuiltinLanguages()) {
    const LanguagePack pack = *LoadBuiltinLanguage(language);
    const HomeGenerator homes(pack, 120);
    Random random(2);
    for (int i = 0; i < 200; ++i) {
      const GeneratedHome made = homes.Make(random);
      std::set<std::string> ids;
      ASSERT_EQ(made.area_words.size(), made.home.areas.size());
      ASSERT_EQ(made.floor_words.size(), made.home.floors.size());
      ASSERT_EQ(made.spoken_names.size(), made.home.devices.size());
      for (const HomeDevice& device : made.home.devices) {
        EXPECT_FALSE(device.name.empty());
        EXPECT_TRUE(ids.insert(device.id).second) << device.id;
        EXPECT_TRUE(device.area_id.empty() || made.home.FindArea(device.area_id) != nullptr);
      }
      for (const HomeArea& area : made.home.areas) {
        EXPECT_TRUE(area.floor_id.empty() || made.home.FindFloor(area.floor_id) != nullptr);
      }
    }
  }
}

TEST(HomeGenerator, NamesSomeDevicesAsAHubDoesAndKnowsHowTheyAreCalled) {
  const LanguagePack pack = *LoadBuiltinLanguage("en");
  const HomeGenerator homes(pack, 120);
  Random random(4);
  size_t num_devices = 0;
  size_t num_longer = 0;
  size_t num_of_another_kind = 0;
  for (int i = 0; i < 300; ++i) {
    const GeneratedHome made = homes.Make(random);
    for (size_t d = 0; d < made.spoken_names.size(); ++d) {
      const HomeDevice& device = made.home.devices[d];
      ++num_devices;
      num_longer += made.spoken_names[d].short_name.empty() ? 0 : 1;
      num_of_another_kind +=
          made.spoken_names[d].kind == DeviceKind(device.domain, device.device_class) ? 0 : 1;
    }
  }
  EXPECT_GT(num_longer, num_devices / 30);
  EXPECT_LT(num_longer, num_devices / 5);
  EXPECT_GT(num_of_another_kind, num_devices / 50);
  EXPECT_LT(num_of_another_kind, num_devices / 8);
}

TEST(WordInventor, InventsManyWords) {
  for (const std::string& language : BuiltinLanguages()) {
    const LanguagePack pack = *LoadBuiltinLanguage(language);
    const WordInventor inventor(pack);
    Random random(3);
    std::set<std::string> words;
    for (int i = 0; i < 1000; ++i) words.insert(inventor.Invent(random));
    EXPECT_GT(words.size(), 800u) << language;
  }
}

}  // namespace
}  // namespace mimo
