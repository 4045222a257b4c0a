#include "server/opaque_text.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

TEST(OpaqueText, ComesBackAsItWasForEveryLengthAndByte) {
  std::string text;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string packed = PackOpaqueText(text);
    EXPECT_EQ(UnpackOpaqueText(packed), text) << packed;
    EXPECT_EQ(packed.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=.m"),
              std::string::npos);
    text += static_cast<char>(255 - byte);
  }
}

TEST(OpaqueText, IsBase64BehindItsMark) {
  EXPECT_EQ(PackOpaqueText(""), "mimo1.");
  EXPECT_EQ(PackOpaqueText("f"), "mimo1.Zg==");
  EXPECT_EQ(PackOpaqueText("fo"), "mimo1.Zm8=");
  EXPECT_EQ(PackOpaqueText("foobar"), "mimo1.Zm9vYmFy");
}

TEST(OpaqueText, RefusesWhatItDidNotPack) {
  for (const char* packed : {"", "Zm9v", "mimo1.Zm9", "mimo1.Zm9v Zg",
                             "mimo1.====", "mimo1.Zh==", "mimo1.Zg=a", "mimo1.\xff\xff\xff\xff"}) {
    EXPECT_FALSE(UnpackOpaqueText(packed).has_value()) << packed;
  }
}

}  // namespace
}  // namespace mimo
