#include "engine/cache_store_eviction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <unordered_set>

#include "engine/cache_store_testutil.h"

namespace mimo {
namespace {

using testing::ElementsAre;

// Candidates of 10 bytes each.
class Tree {
 public:
  // Blocks of a text; those that are there already are not added again.
  void AddBranch(const std::vector<CachePlace>& places, uint64_t last_used_ms) {
    for (const CachePlace& place : places) {
      if (!known_.contains(IdOf(place).key)) AddBlock(place, last_used_ms);
    }
  }
  size_t AddBlock(const CachePlace& place, uint64_t last_used_ms) {
    known_.insert(IdOf(place).key);
    return Add(place, CacheEntryKind::kKvBlock, last_used_ms);
  }
  size_t AddSnapshot(const CachePlace& place, uint64_t last_used_ms) {
    return Add(place, CacheEntryKind::kWindowSnapshot, last_used_ms);
  }
  std::vector<size_t> Evict(size_t count, const std::optional<EvictionPin>& pin = {}) const {
    return ChooseEvictions(candidates_, count * 10, pin);
  }
  const std::vector<EvictionCandidate>& candidates() const { return candidates_; }

 private:
  size_t Add(const CachePlace& place, CacheEntryKind kind, uint64_t last_used_ms) {
    candidates_.push_back({.id = IdOf(place, kind),
                           .parent = place.parent,
                           .position = place.position,
                           .num_tokens = static_cast<uint32_t>(place.tokens.size()),
                           .bytes = 10,
                           .last_used_ms = last_used_ms});
    return candidates_.size() - 1;
  }

  std::vector<EvictionCandidate> candidates_;
  std::unordered_set<PrefixKey, PrefixKeyHash> known_;  // of blocks
};

TEST(ChooseEvictions, TakesNothingWhenNothingIsToBeFreed) {
  Tree tree;
  tree.AddBranch(BlocksOf(1, 3), 100);
  EXPECT_THAT(tree.Evict(0), ElementsAre());
}

TEST(ChooseEvictions, ShortensTheBranchThatWasNotUsedForLongest) {
  Tree tree;
  tree.AddBranch(BlocksOf(1, 3), 200);  // 0 1 2
  tree.AddBranch(BlocksOf(2, 3), 100);  // 3 4 5
  EXPECT_THAT(tree.Evict(4), ElementsAre(5, 4, 3, 2));
}

TEST(ChooseEvictions, CountsABeginningAsUsedWhenItsEndWas) {
  Tree tree;
  tree.AddBranch(BlocksOf(1, 3), 100);  // 0 1 2, written early
  tree.AddBranch(BlocksOf(2, 2), 200);  // 3 4
  const auto places = BlocksOf(1, 4);
  tree.AddBlock(places[3], 300);  // 5 continues the early ones
  EXPECT_THAT(tree.Evict(2), ElementsAre(4, 3));
}

TEST(ChooseEvictions, KeepsTheTrunkOfABranchThatIsUsed) {
  Tree tree;
  tree.AddBranch(BlocksOf(1, 4), 100);        // 0..3
  tree.AddBranch(BlocksOf(2, 4, 1, 2), 200);  // 4 5 after 0 1
  EXPECT_THAT(tree.Evict(3), ElementsAre(3, 2, 5));
}

TEST(ChooseEvictions, KeepsTheWindowAtABranchsEndAsLongAsTheEnd) {
  Tree tree;
  const auto places = BlocksOf(1, 3);
  tree.AddBranch(places, 100);                             // 0 1 2
  const size_t inner = tree.AddSnapshot(places[0], 90);    // 3
  const size_t at_end = tree.AddSnapshot(places[2], 100);  // 4
  EXPECT_THAT(tree.Evict(1), ElementsAre(inner));
  EXPECT_THAT(tree.Evict(2), ElementsAre(inner, at_end, 2)) << "an end goes with its window";
}

TEST(ChooseEvictions, CountsASnapshotInsideABlockToTheBlockBefore) {
  Tree tree;
  const auto places = BlocksOf(1, 2);
  tree.AddBlock(places[0], 100);
  CachePlace begun = places[1];
  begun.tokens.resize(10);
  tree.AddSnapshot(begun, 100);
  EXPECT_THAT(tree.Evict(1), ElementsAre(1, 0));
  tree.AddBlock(places[1], 110);
  EXPECT_THAT(tree.Evict(1), ElementsAre(1));
}

TEST(ChooseEvictions, TakesFirstWhatCannotBeReached) {
  Tree tree;
  const auto places = BlocksOf(1, 4);
  tree.AddBlock(places[0], 100);
  tree.AddBlock(places[2], 900);  // its parent is missing
  tree.AddBlock(places[3], 900);  // and so is its parent's
  tree.AddBlock(places[0], 50);   // a second copy
  EXPECT_THAT(tree.Evict(3), ElementsAre(1, 2, 3));
  EXPECT_EQ(SummarizeForest(tree.candidates()).num_unreachable, 3U);
  EXPECT_EQ(SummarizeForest(tree.candidates()).unreachable_bytes, 30U);
}

TEST(ChooseEvictions, LeavesWhatIsPinned) {
  Tree tree;
  const auto places = BlocksOf(1, 3);
  tree.AddBranch(places, 100);
  tree.AddBranch(BlocksOf(2, 2), 200);
  const EvictionPin pin{0, IdOf(places[1]).key};
  EXPECT_THAT(tree.Evict(100, pin), ElementsAre(2, 4, 3));
}

TEST(ChooseEvictions, SurvivesEntriesThatAreTheirOwnParents) {
  Tree tree;
  const auto places = BlocksOf(1, 2);
  tree.AddBlock(places[0], 100);
  std::vector<EvictionCandidate> candidates = tree.candidates();
  candidates[0].parent = candidates[0].id.key;
  candidates[0].position = 64;
  EXPECT_THAT(ChooseEvictions(candidates, 10, EvictionPin{0, candidates[0].id.key}), ElementsAre(0));
}

// Whatever was evicted, the rest hangs together: no entry is left whose parent has gone.
TEST(ChooseEvictions, LeavesAForestThatHangsTogether) {
  std::mt19937 generator(5);
  const auto random = [&generator] { return static_cast<uint32_t>(generator()); };
  for (int round = 0; round < 200; ++round) {
    Tree tree;
    for (uint64_t branch = 1; branch < 8; ++branch) {
      const auto places = BlocksOf(branch, 1 + random() % 9, random() % branch, random() % 6);
      tree.AddBranch(places, random() % 50);
      CachePlace begun = places[random() % places.size()];
      begun.tokens.resize(branch);  // of its own length, so no two are alike
      tree.AddSnapshot(begun, random() % 50);
    }
    const size_t count = random() % (tree.candidates().size() + 1);
    std::vector<EvictionCandidate> left;
    const std::vector<size_t> evicted = tree.Evict(count);
    EXPECT_GE(evicted.size(), count);
    for (size_t i = 0; i < tree.candidates().size(); ++i) {
      if (std::find(evicted.begin(), evicted.end(), i) == evicted.end()) left.push_back(tree.candidates()[i]);
    }
    EXPECT_EQ(SummarizeForest(left).num_unreachable, 0U) << "round " << round;
  }
}

}  // namespace
}  // namespace mimo
