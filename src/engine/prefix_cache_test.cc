#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include "engine/fake_layers_testutil.h"

namespace mimo {
namespace {

Tokens First(const Tokens& tokens, uint32_t count) { return {tokens.begin(), tokens.begin() + count}; }

// Plays the engine over fake layers, one sequence at a time unless a test holds one.
class PrefixCacheTest : public ::testing::Test {
 protected:
  struct Run {
    PrefixStart start = {};
    std::vector<KvBlockId> blocks = {};
    KvRingId ring{0};
  };

  void Make(uint32_t num_blocks, const PrefixCacheOptions& options = {}) {
    layers_.emplace(num_blocks, kNumRings);
    cache_.emplace(num_blocks, &*layers_, options);
  }

  // Begins a sequence, computes it and compares it with a cold run.
  Run Compute(const Tokens& text, const PrefixKey& salt = {}) {
    Run run{.ring = {next_ring_++ % kNumRings}};
    run.start = cache_->Begin(cache_->MakePlan(text, salt), text, run.ring, &run.blocks);
    while (run.blocks.size() < KvBlocksFor(static_cast<uint32_t>(text.size()))) {
      run.blocks.push_back(cache_->Allocate().value());
    }
    const SequenceChunk chunk{.tokens = std::span(text).subspan(run.start.first_position),
                              .first_position = run.start.first_position,
                              .blocks = run.blocks,
                              .ring = run.ring,
                              .cached_end = run.start.cached_end,
                              .window_begin = run.start.window_begin};
    EXPECT_EQ(layers_->Run(chunk), FakeLayers::RunCold(text));
    return run;
  }

  void Release(const Run& run) { cache_->Release(run.blocks); }

  // A whole life; where it began.
  PrefixStart Serve(const Tokens& text, const PrefixKey& salt = {}) {
    Run run = Compute(text, salt);
    cache_->StoreWithWindow(text, &run.blocks, run.ring, SnapshotKind::kTurnEnd, salt);
    Release(run);
    return run.start;
  }
  PrefixStart ServeWithoutWindow(const Tokens& text) {
    Run run = Compute(text);
    cache_->Store(text, &run.blocks);
    Release(run);
    return run.start;
  }

  static constexpr uint32_t kNumRings = 4;
  std::optional<FakeLayers> layers_;
  std::optional<PrefixCache> cache_;
  uint32_t next_ring_ = 0;
};

TEST_F(PrefixCacheTest, BeginsWhereTheLastTurnEnded) {
  Make(20);
  const Tokens turn = Text(0, 300);
  EXPECT_EQ(Serve(turn).first_position, 0U);
  EXPECT_EQ(Serve(turn + Text(1000, 50)).first_position, 300U);
  EXPECT_EQ(Serve(turn + Text(1000, 50) + Text(2000, 1)).first_position, 350U);
}

TEST_F(PrefixCacheTest, ComputesOnlyTheLastTokenOfATextItHasWhole) {
  Make(20);
  for (const uint32_t length : {1U, 2U, 6U, 7U, 64U, 65U, 128U, 129U}) {
    const Tokens text = Text(length * 1000, length);
    Serve(text);
    EXPECT_EQ(cache_->CachedTokens(text), length - 1);
    EXPECT_EQ(Serve(text).first_position, length - 1);
  }
}

TEST_F(PrefixCacheTest, ReplaysOnlyTheWindowsWhereNoSnapshotStands) {
  Make(20);
  const Tokens text = Text(0, 300);
  ServeWithoutWindow(text);
  for (const uint32_t position : {70U, 128U, 200U, 299U}) {
    const PrefixStart start = ServeWithoutWindow(First(text, position) + Text(5000 + position, 40));
    EXPECT_EQ(start.cached_end, position);
    EXPECT_EQ(start.first_position, position - FakeLayers::kReplay);
    EXPECT_EQ(start.window_begin, position - FakeLayers::kReplay);
  }
  EXPECT_EQ(cache_->stats().replays, 4U);
  EXPECT_EQ(cache_->stats().tokens_replayed, 4 * FakeLayers::kReplay);
}

TEST_F(PrefixCacheTest, BringsANearSnapshotForwardInsteadOfReplaying) {
  Make(20);
  const Tokens text = Text(0, 300);
  Serve(First(text, 100));
  ServeWithoutWindow(text);
  EXPECT_EQ(Serve(First(text, 110) + Text(5000, 9)).first_position, 100U);
  EXPECT_EQ(Serve(First(text, 200) + Text(6000, 9)).first_position, 200 - FakeLayers::kReplay)
      << "it is too far back";
}

TEST_F(PrefixCacheTest, FindsASnapshotOnTheSideOfAFork) {
  Make(20);
  const Tokens text = Text(0, 100);
  Serve(First(text, 80));
  // The block that ends at 80 grows by one branch; the other branch begins inside of it.
  Serve(First(text, 80) + Text(7000, 10));
  ServeWithoutWindow(First(text, 80) + Text(8000, 30));
  EXPECT_EQ(Serve(First(text, 80) + Text(8000, 1) + Text(9000, 5)).first_position, 80U);
}

TEST_F(PrefixCacheTest, SharesWholeBlocksAndCopiesTheOneItWritesTo) {
  Make(20);
  const Tokens text = Text(0, 150);
  Run first = Compute(text);
  cache_->StoreWithWindow(text, &first.blocks, first.ring, SnapshotKind::kPromptEnd);
  const Tokens other = First(text, 140) + Text(3000, 30);
  const Run second = Compute(other);
  EXPECT_EQ(second.blocks[0].value, first.blocks[0].value);
  EXPECT_EQ(second.blocks[1].value, first.blocks[1].value);
  EXPECT_NE(second.blocks[2].value, first.blocks[2].value);
  // The first one goes on in its own block, which the cache names as well.
  const Tokens longer = text + Text(4000, 5);
  const SequenceChunk chunk{.tokens = std::span(longer).subspan(150),
                            .first_position = 150,
                            .blocks = first.blocks,
                            .ring = first.ring};
  EXPECT_EQ(layers_->Run(chunk), FakeLayers::RunCold(longer));
  EXPECT_EQ(Serve(text + Text(5000, 5)).first_position, 150U);
  Release(first);
  Release(second);
}

TEST_F(PrefixCacheTest, KeepsOneCopyOfWhatTwoSequencesComputedAtOnce) {
  Make(20);
  const Tokens text = Text(0, 130);
  Run first = Compute(text);
  Run second = Compute(text);
  ASSERT_NE(first.blocks[0].value, second.blocks[0].value);
  cache_->Store(text, &first.blocks);
  cache_->Store(text, &second.blocks);
  EXPECT_EQ(first.blocks[0].value, second.blocks[0].value);
  EXPECT_EQ(first.blocks[1].value, second.blocks[1].value);
  EXPECT_NE(first.blocks[2].value, second.blocks[2].value) << "each still fills its last block";
  Release(first);
  Release(second);
  EXPECT_EQ(cache_->num_available(), 20U);
}

TEST_F(PrefixCacheTest, GivesUpTheBranchThatWasNotUsedForLongestFromItsEnd) {
  Make(8);
  const Tokens old = Text(0, 256);
  Serve(old);
  const Tokens recent = Text(1000, 192);
  Serve(recent);
  Serve(Text(2000, 128));  // one block was free
  EXPECT_EQ(cache_->CachedTokens(recent), 191U);
  EXPECT_EQ(cache_->CachedTokens(old), 192 - FakeLayers::kReplay)
      << "its last block went, and the window with it";
  EXPECT_EQ(cache_->stats().blocks_evicted, 1U);
}

TEST_F(PrefixCacheTest, NeverGivesUpWhatASequenceUses) {
  Make(6);
  const Tokens text = Text(0, 192);
  Run held = Compute(text);
  cache_->Store(text, &held.blocks);
  Serve(Text(1000, 192));
  Serve(Text(2000, 192));
  EXPECT_EQ(cache_->num_available(), 3U);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(cache_->Allocate());
  EXPECT_EQ(cache_->Allocate().error().code, ErrorCode::kResourceExhausted);
  for (uint32_t i = 0; i < 192; ++i) EXPECT_EQ(layers_->TokenAt(held.blocks, i), i);
}

TEST_F(PrefixCacheTest, TakesOverTheLastBlockThatItCouldGiveUp) {
  Make(3);
  const Tokens text = Text(0, 190);
  Serve(text);
  const PrefixStart start = Serve(text + Text(1000, 2));  // needs three blocks, the third in its own hands
  EXPECT_EQ(start.first_position, 190U);
  EXPECT_EQ(cache_->num_available(), 3U);
  EXPECT_EQ(Serve(text + Text(1000, 2)).first_position, 191U);
}

TEST_F(PrefixCacheTest, AWindowThatIsNotKeptCostsAReplay) {
  Make(20, {.snapshot_bytes_max = 0});
  const Tokens text = Text(0, 200);
  Serve(text);
  EXPECT_EQ(cache_->stats().snapshots, 0U);
  EXPECT_EQ(Serve(text + Text(1000, 9)).first_position, 200 - FakeLayers::kReplay);
}

TEST_F(PrefixCacheTest, TextsOfDifferentSaltsShareNothing) {
  Make(20);
  const PrefixKey salt = SaltedPrefixKey("a");
  const Tokens text = Text(0, 200);
  EXPECT_EQ(Serve(text, salt).first_position, 0U);
  EXPECT_EQ(cache_->CachedTokens(text), 0U);
  EXPECT_EQ(cache_->CachedTokens(text, SaltedPrefixKey("b")), 0U);
  EXPECT_EQ(Serve(text).first_position, 0U);
  EXPECT_EQ(Serve(text + Text(1000, 9), salt).first_position, 200U);
  EXPECT_EQ(Serve(text + Text(2000, 9)).first_position, 200U);
  // And give way to each other.
  for (TokenId i = 0; i < 20; ++i) Serve(Text(5000 + i, 200), SaltedPrefixKey(std::to_string(i)));
  EXPECT_EQ(cache_->CachedTokens(text, salt), 0U);
  EXPECT_EQ(cache_->num_available(), 20U);
}

TEST_F(PrefixCacheTest, CachesNothingWhenItIsOff) {
  Make(20, {.is_enabled = false});
  Serve(Text(0, 200));
  EXPECT_EQ(Serve(Text(0, 200)).first_position, 0U);
  EXPECT_EQ(cache_->CachedTokens(Text(0, 200)), 0U);
  EXPECT_EQ(cache_->num_available(), 20U);
}

}  // namespace
}  // namespace mimo
