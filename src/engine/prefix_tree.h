#pragma once
// Which texts have keys in the cache, block by block.
//
//   root - [64 tokens] - [64 tokens] - [23 tokens]
//                      \ [64 tokens] - ...
//
// Texts of different salts (engine/prefix_key.h) have different roots, and so nothing in common.
//
// A node is one block of tokens after those of its parents; only the last one of a branch may have fewer than
// kKvBlockTokens. Nodes that hold runs of blocks (a radix tree in the narrow sense) would save two percent of
// memory beside the keys and cost splitting and joining.
//
// The tree knows block ids and when they were used, not who owns them: engine/prefix_cache.h does that.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/token_id.h"
#include "engine/prefix_key.h"
#include "model/kv_storage.h"

namespace mimo {

struct WindowSnapshot;

struct PrefixNode {
  PrefixNode* parent = nullptr;  // null: the root, which has no tokens and no block
  uint64_t id = 0;               // rises with the time of creation
  uint32_t begin = 0;            // position of tokens[0]
  std::vector<TokenId> tokens = {};
  KvBlockId block{0};
  uint64_t last_used = 0;
  std::vector<std::unique_ptr<PrefixNode>> children = {};  // ascending by tokens
  std::vector<WindowSnapshot*> snapshots = {};  // that end inside of this block; WindowSnapshots owns them
  uint32_t num_snapshots_below = 0;             // in this node and all after it
  // PrefixDisk's:
  PrefixKey key = {};
  bool has_key = false;
  uint64_t disk_epoch = 0;  // when it was last known to be on disk

  uint32_t end() const { return begin + static_cast<uint32_t>(tokens.size()); }
};

// Not thread-safe.
class PrefixTree {
 public:
  PrefixTree();
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // Where the texts of a salt begin. MakeRoot: until the last of them is removed, unless it is the empty
  // salt. FindRoot: null when there are none.
  PrefixNode* MakeRoot(const PrefixKey& salt = {});
  PrefixNode* FindRoot(const PrefixKey& salt = {}) const;
  uint32_t num_nodes() const { return num_nodes_; }

  // The longest text of the tree that `tokens` begin with: whole blocks, then perhaps the first tokens of
  // another one. Valid until the tree changes.
  struct Match {
    std::vector<PrefixNode*> blocks = {};
    PrefixNode* partial = nullptr;  // or null
    uint32_t num_tokens = 0;
  };
  Match Find(std::span<const TokenId> tokens, const PrefixKey& salt = {}) const;

  // Calls visit(node, common) for the children of `parent` that begin as `tokens` do, for `common` >= 1
  // tokens.
  template <typename F>
  void ForEachAlike(const PrefixNode& parent, std::span<const TokenId> tokens, const F& visit) const;

  // Makes sure that `tokens`, at most a block of them, stand after `parent`, which holds a whole block or is
  // the root.
  struct Inserted {
    PrefixNode* node = nullptr;              // begins with `tokens`
    bool took_block = false;                 // the node now names `block`; else it names one that it had
    std::optional<KvBlockId> replaced = {};  // the block that it named before, of fewer tokens
  };
  Inserted Insert(PrefixNode& parent, std::span<const TokenId> tokens, KvBlockId block);

  // Notes that a node and all before it were used now.
  void Touch(PrefixNode& node);

  // Requires: no children.
  void Remove(PrefixNode& leaf);

  struct LeastRecentlyUsed {
    bool operator()(const PrefixNode* a, const PrefixNode* b) const {
      return a->last_used != b->last_used ? a->last_used < b->last_used : a->id < b->id;
    }
  };
  // Nodes without children. What was used together leaves together, from its end: a branch's nodes carry the
  // time of its last use, and when a leaf goes, the node before it is the next.
  const std::set<PrefixNode*, LeastRecentlyUsed>& leaves() const { return leaves_; }

 private:
  using Children = std::vector<std::unique_ptr<PrefixNode>>;
  static size_t LowerBound(const Children& children, std::span<const TokenId> tokens);
  static uint32_t CommonTokens(const PrefixNode& node, std::span<const TokenId> tokens);

  std::unordered_map<PrefixKey, std::unique_ptr<PrefixNode>, PrefixKeyHash> roots_;  // by salt
  std::set<PrefixNode*, LeastRecentlyUsed> leaves_;
  uint32_t num_nodes_ = 0;  // without the root
  uint64_t next_id_ = 1;
  uint64_t clock_ = 0;
};

template <typename F>
void PrefixTree::ForEachAlike(const PrefixNode& parent, std::span<const TokenId> tokens,
                              const F& visit) const {
  const Children& children = parent.children;
  // In ascending order the number of common tokens falls to both sides of the place that `tokens` would have.
  const size_t middle = LowerBound(children, tokens);
  for (size_t i = middle; i < children.size(); ++i) {
    const uint32_t common = CommonTokens(*children[i], tokens);
    if (common == 0) break;
    visit(*children[i], common);
  }
  for (size_t i = middle; i-- > 0;) {
    const uint32_t common = CommonTokens(*children[i], tokens);
    if (common == 0) break;
    visit(*children[i], common);
  }
}

}  // namespace mimo
