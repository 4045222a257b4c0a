// The prefix cache with its tier on disk: what a new process finds of what an old one left.

#include "engine/prefix_disk.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/cache_store_directory.h"
#include "engine/cache_store_testutil.h"
#include "engine/fake_layers_testutil.h"
#include "engine/prefix_cache.h"

namespace mimo {
namespace {

class PrefixDiskTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }

  // Begins with empty memory over what is on disk, which the store before wrote to the end.
  void Start(uint32_t num_blocks = 30) {
    cache_.reset();
    store_.reset();
    store_ = OpenStore(folder_.path());
    layers_.emplace(num_blocks, 1);
    cache_.emplace(num_blocks, &*layers_, PrefixCacheOptions{.store = store_});
  }

  // A whole life; where it began. What is computed must be what a cold run gives.
  uint32_t Serve(const Tokens& text, const PrefixKey& salt = {}) {
    if (auto restore = cache_->BeginRestore(text, salt)) {
      while (!cache_->ContinueRestore(*restore, 1)) {
      }
      cache_->EndRestore(*restore);
    }
    std::vector<KvBlockId> blocks;
    const PrefixStart start = cache_->Begin(cache_->MakePlan(text, salt), text, {0}, &blocks);
    while (blocks.size() < KvBlocksFor(static_cast<uint32_t>(text.size()))) {
      blocks.push_back(cache_->Allocate().value());
    }
    const SequenceChunk chunk{.tokens = std::span(text).subspan(start.first_position),
                              .first_position = start.first_position,
                              .blocks = blocks,
                              .cached_end = start.cached_end,
                              .window_begin = start.window_begin};
    EXPECT_EQ(layers_->Run(chunk), FakeLayers::RunCold(text));
    cache_->StoreWithWindow(text, &blocks, {0}, SnapshotKind::kTurnEnd, salt);
    cache_->Release(blocks);
    return start.first_position;
  }

  CacheTestFolder folder_;
  std::optional<FakeLayers> layers_;
  std::shared_ptr<CacheStore> store_;
  std::optional<PrefixCache> cache_;
};

TEST_F(PrefixDiskTest, GoesOnAfterARestartWhereTheTurnEnded) {
  const Tokens turn = Text(0, 300);
  EXPECT_EQ(Serve(turn), 0U);
  Start();
  EXPECT_EQ(cache_->CachedTokens(turn + Text(1000, 50)), 0U);
  EXPECT_EQ(Serve(turn + Text(1000, 50)), 300U);
  EXPECT_EQ(cache_->stats().blocks_restored, 5U) << "four whole ones and the one that the turn ended in";
  Start();
  EXPECT_EQ(Serve(turn + Text(1000, 50) + Text(2000, 64)), 350U);
}

TEST_F(PrefixDiskTest, AsksTheDiskForNothingThatMemoryHas) {
  const Tokens turn = Text(0, 300);
  Serve(turn);
  EXPECT_FALSE(cache_->BeginRestore(turn + Text(1000, 50)));
  EXPECT_FALSE(cache_->BeginRestore(Text(5000, 50)));
}

TEST_F(PrefixDiskTest, ReplaysAfterARestartWhereTwoTextsPart) {
  const Tokens turn = Text(0, 300);
  Serve(turn);
  Start();
  EXPECT_EQ(Serve(Text(0, 200) + Text(1000, 50)), 192 - FakeLayers::kReplay) << "blocks on disk are whole";
}

TEST_F(PrefixDiskTest, BringsBackWhatMemoryGaveUp) {
  Start(6);
  const Tokens first = Text(0, 300);
  Serve(first);
  Serve(Text(5000, 300));  // pushes out nearly all of it
  store_->Flush();         // what is still queued cannot be found yet
  EXPECT_EQ(Serve(first + Text(1000, 9)), 300U);
}

TEST_F(PrefixDiskTest, StopsWhereAnEntryIsDamaged) {
  const Tokens turn = Text(0, 300);
  Serve(turn);
  cache_.reset();
  store_.reset();
  // One bit of the first block: what comes after it is of no use.
  constexpr std::streamoff kFirstPayload = 4096;
  std::fstream file(folder_.Only(".data"), std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(kFirstPayload + 100);
  const char byte = static_cast<char>(file.get() ^ 4);
  file.seekp(kFirstPayload + 100);
  file.put(byte);
  file.close();
  Start();
  EXPECT_EQ(Serve(turn + Text(1000, 50)), 0U);
}

TEST_F(PrefixDiskTest, TextsOfDifferentSaltsShareNothing) {
  const Tokens turn = Text(0, 300);
  const PrefixKey salt = SaltedPrefixKey("a");
  EXPECT_EQ(Serve(turn, salt), 0U);
  EXPECT_EQ(Serve(turn), 0U);
  EXPECT_EQ(Serve(turn, SaltedPrefixKey("b")), 0U);
  Start();
  EXPECT_EQ(Serve(turn + Text(1000, 50), SaltedPrefixKey("c")), 0U);
  EXPECT_EQ(Serve(turn + Text(1000, 50), salt), 300U);
  EXPECT_EQ(Serve(turn + Text(1000, 50)), 300U);
}

TEST_F(PrefixDiskTest, ComputesWhatAnotherProcessEvictedUnderItsHands) {
  const Tokens turn = Text(0, 300);
  Serve(turn);
  Start();  // knows the entries
  ASSERT_TRUE(PruneCacheDirectory(folder_.path(), {.bytes_max = 0}));
  EXPECT_EQ(Serve(turn + Text(1000, 50)), 0U);
  EXPECT_EQ(store_->stats().entries_damaged, 0U);
}

TEST_F(PrefixDiskTest, ComputesTheRestWhenAnotherProcessEvictsInTheMiddleOfARestore) {
  const Tokens text = Text(0, 300) + Text(1000, 50);
  Serve(Text(0, 300));
  Start();
  auto restore = cache_->BeginRestore(text);
  ASSERT_TRUE(restore);
  EXPECT_FALSE(cache_->ContinueRestore(*restore, 1));
  EXPECT_FALSE(cache_->ContinueRestore(*restore, 1));
  ASSERT_TRUE(PruneCacheDirectory(folder_.path(), {.bytes_max = 0}));
  EXPECT_TRUE(cache_->ContinueRestore(*restore, 1));
  cache_->EndRestore(*restore);
  EXPECT_EQ(Serve(text), 128 - FakeLayers::kReplay) << "two blocks came in time";
}

TEST_F(PrefixDiskTest, WritesAgainWhatAnotherProcessEvicted) {
  const Tokens turn = Text(0, 300);
  Serve(turn);
  store_->Flush();
  ASSERT_TRUE(PruneCacheDirectory(folder_.path(), {.bytes_max = 0}));
  store_->Rescan();
  EXPECT_EQ(Serve(turn + Text(1000, 50)), 300U) << "memory still has it";
  Start();
  EXPECT_EQ(Serve(turn + Text(1000, 50) + Text(2000, 9)), 350U);
}

TEST_F(PrefixDiskTest, ARestoreThatIsGivenUpHoldsNothing) {
  const Tokens turn = Text(0, 300);
  Serve(turn);
  Start();
  auto restore = cache_->BeginRestore(turn + Text(1000, 5));
  ASSERT_TRUE(restore);
  EXPECT_FALSE(cache_->ContinueRestore(*restore, 1));
  EXPECT_EQ(cache_->num_available(), 29U);
  cache_->EndRestore(*restore);
  EXPECT_EQ(cache_->num_available(), 30U);
}

}  // namespace
}  // namespace mimo
