#include "train/batcher.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mimo {
namespace {

constexpr uint32_t kLength = 16;

// Conversation i has 3 + i % 9 tokens, all of them i + 1; the second half is the model's own.
class BatcherTest : public testing::Test {
 protected:
  static constexpr uint32_t kNumConversations = 100;

  BatcherTest() : path_(testing::TempDir() + "batcher_test_" + std::to_string(getpid()) + ".bin") {
    Result<DatasetWriter> writer = DatasetWriter::Create(path_, /*vocab_size=*/256);
    for (uint32_t i = 0; i < kNumConversations; ++i) {
      RenderedConversation conversation;
      const uint32_t size = 3 + i % 9;
      conversation.tokens.assign(size, i + 1);
      for (uint32_t t = 0; t < size; ++t) conversation.is_target.push_back(t >= size / 2 ? 1 : 0);
      EXPECT_TRUE(writer->Add(conversation).has_value());
    }
    EXPECT_TRUE(writer->Finish().has_value());
    dataset_ = std::make_unique<Dataset>(std::move(Dataset::Open(path_)).value());
  }
  ~BatcherTest() override { std::filesystem::remove(path_); }

  Batcher Make(const BatcherOptions& options) {
    return std::move(Batcher::Create(*dataset_, options)).value();
  }

  std::string path_;
  std::unique_ptr<Dataset> dataset_;
};

TEST(PackBestFit, FillsSequencesWithoutCuttingWhatFits) {
  const std::vector<uint32_t> lengths = {6, 4, 7, 3, 10};
  const std::vector<uint32_t> order = {0, 1, 2, 3, 4};
  const auto sequences = PackBestFit(lengths, order, 10);
  ASSERT_EQ(sequences.size(), 3U);
  for (const auto& sequence : sequences) {
    uint32_t total = 0;
    for (const uint32_t index : sequence) total += lengths[index];
    EXPECT_EQ(total, 10U);
  }
}

TEST(PackBestFit, GivesALongerOneASequenceOfItsOwn) {
  const std::vector<uint32_t> lengths = {25, 2};
  const std::vector<uint32_t> order = {1, 0};
  EXPECT_EQ(PackBestFit(lengths, order, 10).size(), 2U);
}

TEST_F(BatcherTest, ShowsEveryConversationOnceAPass) {
  Batcher batcher = Make({.length = kLength, .seed = 3});
  const auto count = static_cast<uint32_t>(batcher.sequences_per_pass());
  for (const uint64_t first : {uint64_t{0}, uint64_t{count}}) {
    const PackedRows rows = batcher.Sequences(first, count);
    std::vector<uint32_t> seen(kNumConversations + 1, 0);
    for (size_t i = 0; i < rows.tokens.size(); ++i) {
      if (rows.tokens[i] != 0 && rows.positions[i] == 0) ++seen[static_cast<size_t>(rows.tokens[i])];
    }
    EXPECT_EQ(std::count(seen.begin() + 1, seen.end(), 1U), std::ptrdiff_t{kNumConversations});
    EXPECT_EQ(rows.num_tokens, dataset_->info().num_tokens);
  }
}

TEST_F(BatcherTest, GivesTheSameRowsAtAPositionHoweverItGotThere) {
  const BatcherOptions options = {.length = kLength, .seed = 5};
  Batcher walked = Make(options);
  Batcher jumped = Make(options);
  const uint64_t far = 2 * walked.sequences_per_pass() + 3;
  for (uint64_t position = 0; position < far; ++position) (void)walked.Sequences(position, 1);
  EXPECT_EQ(walked.Sequences(far, 4).tokens, jumped.Sequences(far, 4).tokens);
  EXPECT_EQ(walked.Sequences(1, 4).tokens, jumped.Sequences(1, 4).tokens);
}

TEST_F(BatcherTest, ShufflesBySeedAndPass) {
  Batcher one = Make({.length = kLength, .seed = 1});
  Batcher two = Make({.length = kLength, .seed = 2});
  EXPECT_NE(one.Sequences(0, 8).tokens, two.Sequences(0, 8).tokens);
  EXPECT_NE(one.Sequences(0, 8).tokens, one.Sequences(one.sequences_per_pass(), 8).tokens);
}

TEST_F(BatcherTest, NeverPredictsAcrossConversations) {
  Batcher batcher = Make({.length = kLength});
  const PackedRows rows = batcher.Sequences(0, 8);
  for (size_t i = 0; i < rows.targets.size(); ++i) {
    if (rows.targets[i] == kNoTargetId) continue;
    EXPECT_EQ(rows.targets[i], rows.tokens[i]);  // all tokens of a conversation are equal
    EXPECT_EQ(rows.positions[i + 1], rows.positions[i] + 1);
  }
}

TEST_F(BatcherTest, TakesTheLossOnTheOwnTokensAloneWhenAsked) {
  Batcher every = Make({.length = kLength});
  Batcher own = Make({.length = kLength, .loss_on = LossOn::kOwnTokens});
  const auto count = static_cast<uint32_t>(every.sequences_per_pass());
  const auto targets = [count](Batcher& batcher) {
    const PackedRows rows = batcher.Sequences(0, count);
    return static_cast<uint64_t>(std::count_if(rows.targets.begin(), rows.targets.end(),
                                               [](int64_t target) { return target != kNoTargetId; }));
  };
  EXPECT_EQ(targets(every), dataset_->info().num_tokens - kNumConversations);
  // Every conversation begins with a token that is not the model's, so none of its own is lost.
  EXPECT_EQ(targets(own), dataset_->info().num_targets);
}

TEST_F(BatcherTest, CutsWhatIsLongerThanASequenceAndCountsIt) {
  Batcher batcher = Make({.length = 8});
  EXPECT_GT(batcher.num_cut(), 0U);
  const PackedRows rows = batcher.Sequences(0, static_cast<uint32_t>(batcher.sequences_per_pass()));
  EXPECT_LE(*std::max_element(rows.positions.begin(), rows.positions.end()), 7);
}

}  // namespace
}  // namespace mimo
