#include "engine/prefix_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

#include "engine/fake_layers_testutil.h"

namespace mimo {
namespace {

std::vector<TokenId> Repeat(TokenId token, size_t count) { return std::vector<TokenId>(count, token); }

// Inserts a text block by block; the last node.
PrefixNode* InsertText(PrefixTree& tree, const std::vector<TokenId>& text, uint32_t first_block) {
  PrefixNode* node = tree.MakeRoot();
  for (size_t begin = 0; begin < text.size(); begin += kKvBlockTokens) {
    const auto part = std::span(text).subspan(begin, std::min<size_t>(kKvBlockTokens, text.size() - begin));
    node = tree.Insert(*node, part, {first_block++}).node;
  }
  return node;
}

TEST(PrefixTree, FindsTheLongestCommonText) {
  PrefixTree tree;
  InsertText(tree, Repeat(1, 64) + Repeat(2, 64) + Repeat(3, 10), 0);
  InsertText(tree, Repeat(1, 64) + Repeat(2, 30) + Repeat(4, 34), 10);
  const auto find = [&](const std::vector<TokenId>& text) {
    const PrefixTree::Match match = tree.Find(text);
    return std::pair(match.blocks.size(), match.num_tokens);
  };
  using Found = std::pair<size_t, uint32_t>;
  EXPECT_EQ(find(Repeat(7, 5)), Found(0, 0));
  EXPECT_EQ(find(Repeat(1, 20)), Found(0, 20));
  EXPECT_EQ(find(Repeat(1, 64)), Found(1, 64));
  EXPECT_EQ(find(Repeat(1, 64) + Repeat(2, 30) + Repeat(9, 5)), Found(1, 94));
  EXPECT_EQ(find(Repeat(1, 64) + Repeat(2, 30) + Repeat(4, 3)), Found(1, 97));
  EXPECT_EQ(find(Repeat(1, 64) + Repeat(2, 64) + Repeat(3, 64)), Found(2, 138));
}

TEST(PrefixTree, AnUnfinishedBlockGrowsAndNamesTheNewBlock) {
  PrefixTree tree;
  PrefixNode* const node = InsertText(tree, Repeat(1, 10), 5);
  const PrefixTree::Inserted grown = tree.Insert(*tree.MakeRoot(), Repeat(1, 12), {6});
  EXPECT_EQ(grown.node, node);
  EXPECT_TRUE(grown.took_block);
  EXPECT_EQ(grown.replaced.value().value, 5U);
  const PrefixTree::Inserted again = tree.Insert(*tree.MakeRoot(), Repeat(1, 12), {9});
  EXPECT_FALSE(again.took_block);
  const PrefixTree::Inserted shorter = tree.Insert(*tree.MakeRoot(), Repeat(1, 4), {9});
  EXPECT_EQ(shorter.node, node);
  EXPECT_FALSE(shorter.took_block);
  EXPECT_EQ(node->block.value, 6U);
  EXPECT_EQ(tree.num_nodes(), 1U);
}

TEST(PrefixTree, VisitsEveryChildThatBeginsAlike) {
  PrefixTree tree;
  InsertText(tree, {1, 2, 3}, 0);
  InsertText(tree, {1, 2, 9}, 1);
  InsertText(tree, {1, 7}, 2);
  InsertText(tree, {5}, 3);
  std::map<uint32_t, uint32_t> common_of_block;
  const std::vector<TokenId> text = {1, 2, 4};
  tree.ForEachAlike(*tree.MakeRoot(), text, [&](const PrefixNode& node, uint32_t common) {
    common_of_block[node.block.value] = common;
  });
  EXPECT_EQ(common_of_block, (std::map<uint32_t, uint32_t>{{0, 2}, {1, 2}, {2, 1}}));
}

TEST(PrefixTree, LeavesGoInTheOrderOfTheirBranchesLastUse) {
  PrefixTree tree;
  PrefixNode* const old_end = InsertText(tree, Repeat(1, 64) + Repeat(2, 64), 0);
  PrefixNode* const new_end = InsertText(tree, Repeat(1, 64) + Repeat(3, 64), 10);
  tree.Touch(*old_end);
  tree.Touch(*new_end);
  EXPECT_EQ(*tree.leaves().begin(), old_end);
  tree.Touch(*old_end);
  EXPECT_EQ(*tree.leaves().begin(), new_end);
  tree.Remove(*new_end);
  tree.Remove(*old_end);
  EXPECT_EQ((*tree.leaves().begin())->block.value, 0U) << "the common block is a leaf now";
  EXPECT_EQ(tree.num_nodes(), 1U);
}

// Against a plain list of texts.
TEST(PrefixTree, FindsWhatAListOfTextsFinds) {
  std::mt19937 random(1);
  const auto between = [&](uint32_t low, uint32_t high) {
    return std::uniform_int_distribution<uint32_t>(low, high)(random);
  };
  PrefixTree tree;
  std::vector<std::vector<TokenId>> texts = {{}};
  uint32_t num_blocks = 0;
  for (int i = 0; i < 400; ++i) {
    const std::vector<TokenId>& base = texts[between(0, static_cast<uint32_t>(texts.size()) - 1)];
    std::vector<TokenId> text(base.begin(), base.begin() + between(0, static_cast<uint32_t>(base.size())));
    for (uint32_t count = between(1, 150); count > 0; --count) text.push_back(between(0, 2));
    uint32_t longest = 0;
    for (const std::vector<TokenId>& other : texts) {
      const auto end = std::mismatch(text.begin(), text.end(), other.begin(), other.end());
      longest = std::max(longest, static_cast<uint32_t>(end.first - text.begin()));
    }
    ASSERT_EQ(tree.Find(text).num_tokens, longest);
    InsertText(tree, text, num_blocks);
    num_blocks += KvBlocksFor(static_cast<uint32_t>(text.size()));
    texts.push_back(text);
  }
}

TEST(PrefixTree, EndsALongBranchWithoutRecursion) {
  PrefixTree tree;
  std::vector<TokenId> text(1'048'576);
  std::iota(text.begin(), text.end(), 0);
  InsertText(tree, text, 0);
  EXPECT_EQ(tree.Find(text).num_tokens, text.size());
}

TEST(PrefixTree, ARootLastsAsLongAsItHasTexts) {
  PrefixTree tree;
  const PrefixKey salt = SaltedPrefixKey("a");
  const std::vector<TokenId> text = {1, 2, 3};
  EXPECT_EQ(tree.FindRoot(salt), nullptr);
  PrefixNode* const node = tree.Insert(*tree.MakeRoot(salt), text, {0}).node;
  EXPECT_EQ(tree.Find(text).num_tokens, 0U);
  EXPECT_EQ(tree.Find(text, salt).num_tokens, 3U);
  EXPECT_EQ(tree.FindRoot(salt), node->parent);
  tree.Remove(*node);
  EXPECT_EQ(tree.FindRoot(salt), nullptr);
  EXPECT_NE(tree.FindRoot(), nullptr);
}

}  // namespace
}  // namespace mimo
