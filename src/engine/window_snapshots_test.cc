#include "engine/window_snapshots.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

class WindowSnapshotsTest : public ::testing::Test {
 protected:
  static constexpr size_t kBytes = 100;

  // A chain of whole blocks of `token` after `parent`.
  PrefixNode& AddNode(PrefixNode& parent, TokenId token) {
    return *tree_.Insert(parent, std::vector<TokenId>(kKvBlockTokens, token), {num_blocks_++}).node;
  }
  void Add(PrefixNode& node, uint32_t end, SnapshotKind kind) {
    snapshots_.Add({.node = &node, .end = end, .kind = kind, .bytes = std::vector<std::byte>(kBytes)});
  }
  static bool Has(const PrefixNode& node, uint32_t end) { return WindowSnapshots::At(node, end) != nullptr; }

  PrefixTree tree_;
  WindowSnapshots snapshots_{3 * kBytes};
  uint32_t num_blocks_ = 0;
};

TEST_F(WindowSnapshotsTest, StayInTheirBudget) {
  PrefixNode& node = AddNode(*tree_.MakeRoot(), 1);
  for (uint32_t end = 1; end <= 10; ++end) Add(node, end, SnapshotKind::kTurnEnd);
  EXPECT_EQ(snapshots_.size(), 3U);
  EXPECT_EQ(snapshots_.bytes(), 3 * kBytes);
  EXPECT_EQ(snapshots_.num_evicted(), 7U);
  EXPECT_TRUE(Has(node, 10));
  EXPECT_TRUE(snapshots_.Fits(3 * kBytes));
  EXPECT_FALSE(snapshots_.Fits(3 * kBytes + 1));
}

TEST_F(WindowSnapshotsTest, GiveUpThoseOnTheWayBeforeThoseAtTurnEnds) {
  PrefixNode& first = AddNode(*tree_.MakeRoot(), 1);
  PrefixNode& second = AddNode(first, 2);
  Add(first, 10, SnapshotKind::kTurnEnd);
  Add(first, 20, SnapshotKind::kOnTheWay);
  Add(second, 70, SnapshotKind::kTurnEnd);
  Add(second, 80, SnapshotKind::kTurnEnd);
  EXPECT_FALSE(Has(first, 20));
  EXPECT_TRUE(Has(first, 10));
}

TEST_F(WindowSnapshotsTest, KeepTheLastOfABranchLongest) {
  PrefixNode& first = AddNode(*tree_.MakeRoot(), 1);
  PrefixNode& branch = AddNode(first, 2);
  PrefixNode& other = AddNode(*tree_.MakeRoot(), 3);
  Add(branch, 100, SnapshotKind::kOnTheWay);
  Add(first, 30, SnapshotKind::kTurnEnd);
  Add(first, 60, SnapshotKind::kTurnEnd);
  Add(other, 50, SnapshotKind::kPromptEnd);
  EXPECT_TRUE(Has(branch, 100)) << "the oldest and least kind, but the branch's last";
  EXPECT_FALSE(Has(first, 30));
  Add(other, 60, SnapshotKind::kPromptEnd);
  EXPECT_FALSE(Has(other, 50));
  EXPECT_TRUE(Has(branch, 100) && Has(first, 60) && Has(other, 60));
}

TEST_F(WindowSnapshotsTest, KeepWhatWasUsed) {
  PrefixNode& node = AddNode(*tree_.MakeRoot(), 1);
  for (const uint32_t end : {10U, 20U, 30U}) Add(node, end, SnapshotKind::kTurnEnd);
  snapshots_.Touch(*WindowSnapshots::At(node, 10));
  Add(node, 40, SnapshotKind::kTurnEnd);
  EXPECT_TRUE(Has(node, 10));
  EXPECT_FALSE(Has(node, 20));
}

}  // namespace
}  // namespace mimo
