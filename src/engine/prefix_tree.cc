#include "engine/prefix_tree.h"

#include <algorithm>

#include "base/check.h"

namespace mimo {

PrefixTree::PrefixTree() { MakeRoot(); }

// Leaf by leaf: a branch of a million tokens would recurse 16,384 deep.
PrefixTree::~PrefixTree() {
  while (!leaves_.empty()) Remove(**leaves_.begin());
}

PrefixNode* PrefixTree::MakeRoot(const PrefixKey& salt) {
  std::unique_ptr<PrefixNode>& root = roots_[salt];
  if (root == nullptr) {
    root = std::make_unique<PrefixNode>();
    root->key = salt;
  }
  return root.get();
}

PrefixNode* PrefixTree::FindRoot(const PrefixKey& salt) const {
  const auto found = roots_.find(salt);
  return found == roots_.end() ? nullptr : found->second.get();
}

size_t PrefixTree::LowerBound(const Children& children, std::span<const TokenId> tokens) {
  const auto at = std::lower_bound(children.begin(), children.end(), tokens,
                                   [](const std::unique_ptr<PrefixNode>& node, std::span<const TokenId> key) {
                                     return std::lexicographical_compare(
                                         node->tokens.begin(), node->tokens.end(), key.begin(), key.end());
                                   });
  return static_cast<size_t>(at - children.begin());
}

uint32_t PrefixTree::CommonTokens(const PrefixNode& node, std::span<const TokenId> tokens) {
  const auto differing = std::mismatch(node.tokens.begin(), node.tokens.end(), tokens.begin(), tokens.end());
  return static_cast<uint32_t>(differing.first - node.tokens.begin());
}

PrefixTree::Match PrefixTree::Find(std::span<const TokenId> tokens, const PrefixKey& salt) const {
  Match match;
  const PrefixNode* node = FindRoot(salt);
  while (node != nullptr && match.num_tokens < tokens.size()) {
    const auto rest = tokens.subspan(match.num_tokens);
    const auto key = rest.first(std::min<size_t>(rest.size(), kKvBlockTokens));
    const size_t at = LowerBound(node->children, key);
    PrefixNode* best = nullptr;
    uint32_t most = 0;
    // One of the two neighbours has the most in common.
    for (size_t i = at == 0 ? 0 : at - 1; i < std::min(at + 1, node->children.size()); ++i) {
      const uint32_t common = CommonTokens(*node->children[i], key);
      if (common > most) {
        best = node->children[i].get();
        most = common;
      }
    }
    match.num_tokens += most;
    if (most < kKvBlockTokens) {
      match.partial = best;
      return match;
    }
    match.blocks.push_back(best);
    node = best;
  }
  return match;
}

PrefixTree::Inserted PrefixTree::Insert(PrefixNode& parent, std::span<const TokenId> tokens,
                                        KvBlockId block) {
  MIMO_CHECK(!tokens.empty() && tokens.size() <= kKvBlockTokens);
  Children& children = parent.children;
  const size_t at = LowerBound(children, tokens);
  if (at < children.size() && CommonTokens(*children[at], tokens) == tokens.size()) {
    return {.node = children[at].get()};
  }
  if (at > 0 && CommonTokens(*children[at - 1], tokens) == children[at - 1]->tokens.size()) {
    // The node before has the first of the tokens and grows. The order stays: nothing stands between.
    PrefixNode& node = *children[at - 1];
    node.tokens.assign(tokens.begin(), tokens.end());
    node.has_key = false;
    node.disk_epoch = 0;
    if (node.block.value == block.value) return {.node = &node};
    return {.node = &node, .took_block = true, .replaced = std::exchange(node.block, block)};
  }
  auto node = std::make_unique<PrefixNode>();
  node->parent = &parent;
  node->id = next_id_++;
  node->begin = parent.end();
  node->tokens.assign(tokens.begin(), tokens.end());
  node->block = block;
  node->last_used = ++clock_;
  PrefixNode* const added = node.get();
  if (parent.children.empty() && parent.parent != nullptr) leaves_.erase(&parent);
  children.insert(children.begin() + static_cast<std::ptrdiff_t>(at), std::move(node));
  leaves_.insert(added);
  ++num_nodes_;
  return {.node = added, .took_block = true};
}

void PrefixTree::Touch(PrefixNode& node) {
  const uint64_t now = ++clock_;
  for (PrefixNode* at = &node; at->parent != nullptr; at = at->parent) {
    const bool is_leaf = at->children.empty();
    if (is_leaf) leaves_.erase(at);
    at->last_used = now;
    if (is_leaf) leaves_.insert(at);
  }
}

void PrefixTree::Remove(PrefixNode& leaf) {
  MIMO_CHECK(leaf.children.empty() && leaf.parent != nullptr);
  leaves_.erase(&leaf);
  PrefixNode& parent = *leaf.parent;
  const auto at =
      std::find_if(parent.children.begin(), parent.children.end(),
                   [&](const std::unique_ptr<PrefixNode>& child) { return child.get() == &leaf; });
  parent.children.erase(at);
  --num_nodes_;
  if (!parent.children.empty()) return;
  if (parent.parent != nullptr) {
    leaves_.insert(&parent);
  } else if (parent.key != PrefixKey()) {
    roots_.erase(PrefixKey(parent.key));
  }
}

}  // namespace mimo
