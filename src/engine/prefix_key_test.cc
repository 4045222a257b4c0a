#include "engine/prefix_key.h"

#include <gtest/gtest.h>

#include <unordered_set>
#include <vector>

namespace mimo {
namespace {

TEST(PrefixKey, IsTheHashThatTheFormatPageStates) {
  // hashlib.sha256(bytes(16) + struct.pack("<3I", 1, 2, 151645)).hexdigest()[:32]
  EXPECT_EQ(PrefixKeyText(ExtendPrefixKey({}, std::vector<TokenId>{1, 2, 151645})),
            "ccb0306a58835608a66caff7d2ac7ea5");
}

TEST(PrefixKey, DependsOnAllThatCameBefore) {
  const std::vector<TokenId> tokens = {7, 8, 9};
  const PrefixKey first = ExtendPrefixKey({}, tokens);
  const PrefixKey second = ExtendPrefixKey(first, tokens);
  EXPECT_NE(first, second);
  EXPECT_EQ(second, ExtendPrefixKey(ExtendPrefixKey({}, tokens), tokens));
  EXPECT_NE(ExtendPrefixKey(first, std::vector<TokenId>{7, 8}), ExtendPrefixKey(first, tokens));
}

TEST(PrefixKey, TextsOfDifferentSaltsHaveNoneInCommon) {
  EXPECT_EQ(SaltedPrefixKey(""), PrefixKey());
  EXPECT_EQ(SaltedPrefixKey("a"), SaltedPrefixKey("a"));
  EXPECT_NE(SaltedPrefixKey("a"), SaltedPrefixKey("b"));
  EXPECT_NE(SaltedPrefixKey("a"), PrefixKey());
  const std::vector<TokenId> tokens = {7, 8, 9};
  EXPECT_NE(ExtendPrefixKey(SaltedPrefixKey("a"), tokens), ExtendPrefixKey(SaltedPrefixKey("b"), tokens));
  // A salt that spells out what a prefix is hashed from is not that prefix.
  const std::string message = std::string(16, '\0') + std::string("\7\0\0\0", 4);
  EXPECT_NE(SaltedPrefixKey(message), ExtendPrefixKey({}, std::vector<TokenId>{7}));
}

TEST(PrefixKey, OfManyPrefixesNoTwoAreAlike) {
  std::unordered_set<PrefixKey, PrefixKeyHash> keys;
  PrefixKey key;
  for (TokenId token = 0; token < 1000; ++token) {
    key = ExtendPrefixKey(key, std::vector<TokenId>{token % 3});
    keys.insert(key);
  }
  EXPECT_EQ(keys.size(), 1000U);
}

}  // namespace
}  // namespace mimo
