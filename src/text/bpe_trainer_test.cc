#include "text/bpe_trainer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>

#include "base/json.h"
#include "base/mapped_file.h"
#include "text/builtin_vocabulary.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

constexpr uint32_t kNumBytes = 256;

TokenizerData Learn(std::string_view text, BpeTrainerOptions options) {
  BpeTrainer trainer(std::move(options));
  trainer.Add(text);
  Result<TokenizerData> data = trainer.Train(nullptr);
  MIMO_CHECK(data);
  return *std::move(data);
}

using Merges = std::vector<std::pair<std::string, std::string>>;

// The definition itself: counts every pair of every piece anew for each merge.
Merges LearnSlowly(std::string_view text, size_t num_merges) {
  std::vector<std::vector<std::string>> words;
  PreTokenizer pieces(text);
  for (std::string_view piece = pieces.Next(); !piece.empty(); piece = pieces.Next()) {
    words.emplace_back();
    for (const char c : piece) words.back().emplace_back(1, c);
  }
  Merges merges;
  while (merges.size() < num_merges) {
    std::map<std::pair<std::string, std::string>, int> counts;
    for (const auto& word : words) {
      for (size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
    }
    auto best = counts.begin();
    for (auto it = counts.begin(); it != counts.end(); ++it) {
      if (it->second > best->second) best = it;
    }
    if (best == counts.end() || best->second < 2) break;
    for (auto& word : words) {
      for (size_t i = 0; i + 1 < word.size(); ++i) {
        if (word[i] != best->first.first || word[i + 1] != best->first.second) continue;
        word[i] += word[i + 1];
        word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
    merges.emplace_back(EncodeByteAlphabet(best->first.first), EncodeByteAlphabet(best->first.second));
  }
  return merges;
}

std::string RandomText(uint64_t seed, std::string_view alphabet, size_t size) {
  std::mt19937_64 random(seed);
  std::string text;
  while (text.size() < size) text += alphabet[random() % alphabet.size()];
  return text;
}

TEST(BpeTrainer, MergesTheMostFrequentPairFirst) {
  const TokenizerData data = Learn("lower lower low", {.vocab_size = kNumBytes + 3});
  ASSERT_EQ(data.merges.size(), 3u);
  EXPECT_EQ(data.merges[0], std::make_pair(std::string("l"), std::string("o")));
  EXPECT_EQ(data.merges[1], std::make_pair(std::string("lo"), std::string("w")));
  EXPECT_EQ(data.tokens[kNumBytes + 1], "low");
}

TEST(BpeTrainer, TakesThePairWhoseBytesSortFirstAmongEquals) {
  const TokenizerData data = Learn("dc\nba\ndc\nba\n", {.vocab_size = kNumBytes + 2});
  const Merges expected = {{"b", "a"}, {"d", "c"}};
  EXPECT_EQ(data.merges, expected);
}

TEST(BpeTrainer, AgreesWithCountingAnewForEachMerge) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const std::string text = RandomText(seed, "aaabbcd  e", 400);
    const Merges expected = LearnSlowly(text, 40);
    EXPECT_EQ(Learn(text, {.vocab_size = kNumBytes + static_cast<uint32_t>(expected.size())}).merges,
              expected)
        << "seed " << seed;
  }
}

TEST(BpeTrainer, GivesTheSameForTheSameTextInAnyOrder) {
  BpeTrainer forward({.vocab_size = 400});
  BpeTrainer backward({.vocab_size = 400});
  std::vector<std::string> texts;
  for (uint64_t seed = 0; seed < 20; ++seed) texts.push_back(RandomText(seed, "abcdefg hij. ", 200));
  for (const std::string& text : texts) forward.Add(text);
  for (size_t i = texts.size(); i-- > 0;) backward.Add(texts[i]);
  const Result<TokenizerData> a = forward.Train(nullptr);
  const Result<TokenizerData> b = backward.Train(nullptr);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(TokenizerJson(*a), TokenizerJson(*b));
}

TEST(BpeTrainer, EndsWhenNoPairIsFrequentEnough) {
  const TokenizerData data = Learn("ab cd ab", {.vocab_size = 4096, .pair_count_min = 2});
  EXPECT_EQ(data.tokens.size(), kNumBytes + 1);
  EXPECT_EQ(Learn("", {.vocab_size = 4096}).tokens.size(), kNumBytes);
}

TEST(BpeTrainer, DoesNotCountTextInsideAddedTokens) {
  BpeTrainerOptions options{.vocab_size = kNumBytes + 3};
  options.added_tokens = {{.content = "<|im_start|>", .special = true}, {.content = "zz"}};
  const TokenizerData data = Learn("<|im_start|>zz<|im_start|>zz<|im_start|>zzab<|im_start|>abzz", options);
  const Merges expected = {{"a", "b"}};
  EXPECT_EQ(data.merges, expected);
  ASSERT_EQ(data.added_tokens.size(), 2u);
  EXPECT_EQ(data.added_tokens[0].id, kNumBytes + 1);
  EXPECT_EQ(data.added_tokens[1].id, kNumBytes + 2);
  EXPECT_TRUE(data.added_tokens[0].special);
}

TEST(BpeTrainer, MakesNoMergeIntoTheTextOfAnAddedToken) {
  // A refused single word stays text, so that its pairs are counted.
  BpeTrainerOptions options{.vocab_size = kNumBytes + 20};
  options.added_tokens = {{.content = "ab", .single_word = true}};
  const TokenizerData data = Learn("abx abx aby aby", options);
  EXPECT_TRUE(Tokenizer::Create(data));
  for (const auto& [left, right] : data.merges) EXPECT_NE(left + right, "ab");
}

TEST(BpeTrainer, RefusesAVocabularyWithoutRoom) {
  BpeTrainerOptions options{.vocab_size = kNumBytes};
  options.added_tokens = {{.content = "<|im_end|>"}};
  BpeTrainer trainer(options);
  const Result<TokenizerData> data = trainer.Train(nullptr);
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code, ErrorCode::kInvalidArgument);
}

TEST(BpeTrainer, TellsHowMuchTextItCounted) {
  BpeTrainerOptions options;
  options.added_tokens = {{.content = "<|im_end|>"}};
  BpeTrainer trainer(options);
  EXPECT_EQ(trainer.Add("ab<|im_end|>cde"), 5u);
}

TEST(BpeTrainer, ReportsEachMerge) {
  BpeTrainer trainer({.vocab_size = kNumBytes + 3});
  trainer.Add("abcd abcd");
  std::vector<uint32_t> reported;
  ASSERT_TRUE(trainer.Train([&](uint32_t merges_done) { reported.push_back(merges_done); }));
  EXPECT_EQ(reported, (std::vector<uint32_t>{1, 2, 3}));
}

TEST(BpeTrainer, MakesATokenizerThatDecodesWhatItEncodes) {
  std::string text = "打开客厅的灯。把臥室的窗簾關上。Turn on the kitchen lights, please! 21.5 °C ";
  for (uint64_t seed = 0; seed < 30; ++seed)
    text += RandomText(seed, "the kitchen lights are on 0123.,", 100);
  BpeTrainerOptions options{.vocab_size = 600, .pair_count_min = 1};
  options.added_tokens = {{.content = "<|im_end|>", .special = true}, {.content = "\": {\"type\": "}};
  const TokenizerData data = Learn(text, options);
  const Result<TokenizerData> reread = ParseTokenizerJson(TokenizerJson(data));
  ASSERT_TRUE(reread) << reread.error().message;
  const Tokenizer tokenizer = MakeTokenizer(data);
  const Tokenizer reread_tokenizer = MakeTokenizer(*reread);
  for (uint64_t seed = 100; seed < 200; ++seed) {
    const std::string sample =
        RandomText(seed, "the kitchen lights are on\n0123.,<|im_end|>{}\": ", 60) + text.substr(0, 130);
    const std::vector<TokenId> tokens = tokenizer.Encode(sample, AddedTokens::kParse);
    EXPECT_EQ(tokenizer.Decode(tokens), sample);
    EXPECT_EQ(reread_tokenizer.Encode(sample, AddedTokens::kParse), tokens);
  }
}

// tests/golden/tokenizer/README.md says where the ids are from.
TEST(BpeTrainer, MakesTokenizersThatHuggingFaceReadsAlike) {
  const std::string folder = std::string(MIMO_SOURCE_DIR) + "/tests/golden/tokenizer/";
  const Result<std::string> json = ReadTextFile(folder + "learnt_tokenizer.json");
  ASSERT_TRUE(json);
  Result<TokenizerData> data = ParseTokenizerJson(*json);
  ASSERT_TRUE(data) << data.error().message;
  const Tokenizer tokenizer = MakeTokenizer(*std::move(data));
  std::ifstream lines(folder + "learnt_strings.jsonl");
  size_t num_lines = 0;
  for (std::string line; std::getline(lines, line); ++num_lines) {
    const Result<Json> example = ParseJson(line);
    ASSERT_TRUE(example);
    const auto text = example->at(0).get<std::string>();
    EXPECT_EQ(tokenizer.Encode(text, AddedTokens::kParse), example->at(1).get<std::vector<TokenId>>())
        << text;
  }
  EXPECT_EQ(num_lines, 400u);
}

}  // namespace
}  // namespace mimo
