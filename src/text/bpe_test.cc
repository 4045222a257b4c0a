#include "text/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

using testing::ElementsAre;

// The definition, word for word: the best merge at its leftmost place, until there is none. Cubic.
std::vector<std::string> MergeByDefinition(const TokenizerData& data, const std::string& text) {
  std::vector<std::string> parts;
  for (const char c : text) parts.emplace_back(1, c);
  const auto merge_once = [&] {
    for (const auto& [left, right] : data.merges) {
      for (size_t i = 0; i + 1 < parts.size(); ++i) {
        if (parts[i] != left || parts[i + 1] != right) continue;
        parts[i] += right;
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        return true;
      }
    }
    return false;
  };
  while (merge_once()) {
  }
  return parts;
}

TokenizerData RandomMerges(std::mt19937& random) {
  TokenizerData data = ByteVocabulary();
  std::vector<std::string> parts = {"a", "b", "c"};
  while (parts.size() < 25) {
    const std::string left = parts[random() % parts.size()];
    const std::string right = parts[random() % parts.size()];
    if (std::find(parts.begin(), parts.end(), left + right) != parts.end()) continue;
    AddMerge(data, left, right);
    parts.push_back(left + right);
  }
  std::shuffle(data.merges.begin(), data.merges.end(), random);  // ranks need not follow the ids
  return data;
}

TEST(Bpe, MergesAsTheDefinitionSaysAtEveryLength) {
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    const TokenizerData data = RandomMerges(random);
    const Tokenizer tokenizer = MakeTokenizer(data);
    for (const size_t length : std::initializer_list<size_t>{1, 2, 5, 20, 47, 48, 49, 90, 200}) {
      std::string text;
      while (text.size() < length) text.push_back(static_cast<char>('a' + random() % 3));
      std::vector<std::string> parts;
      for (const TokenId token : tokenizer.Encode(text, AddedTokens::kPlainText)) {
        parts.emplace_back(tokenizer.TokenBytes(token));
      }
      EXPECT_EQ(parts, MergeByDefinition(data, text)) << text;
    }
  }
}

TEST(Bpe, NeverGivesATokenThatMergesDoNotReach) {
  TokenizerData data = ByteVocabulary();
  data.tokens.emplace_back("abc");
  const TokenId ab = AddMerge(data, "a", "b");
  EXPECT_THAT(MakeTokenizer(data).Encode("abc", AddedTokens::kPlainText), ElementsAre(ab, 'c'));
}

TEST(Bpe, EncodesAMillionLettersWithoutASpaceInTime) {
  std::string text;
  std::mt19937 random(1);
  for (int i = 0; i < 500000; ++i) text.push_back(static_cast<char>('a' + random() % 26));
  text.append(500000, 'a');
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<TokenId> ids = BuiltinTokenizer().Encode(text, AddedTokens::kPlainText);
  // Under a second without sanitizers; a quadratic algorithm takes many minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
  EXPECT_EQ(BuiltinTokenizer().Decode(ids), text);
}

TEST(BpeEncoder, RefusesMergesOfTokensThatDoNotExist) {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  const std::vector<BpeMerge> outside = {{1, 2, 256}};
  EXPECT_FALSE(BpeEncoder::Create(bytes, outside));
  const std::vector<BpeMerge> wrong = {{1, 2, 3}};
  EXPECT_FALSE(BpeEncoder::Create(bytes, wrong));
}

}  // namespace
}  // namespace mimo
