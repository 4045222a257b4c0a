#include "engine/cache_store_eviction.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>
#include <unordered_map>

#include "engine/cache_store_format.h"

namespace mimo {
namespace {

constexpr size_t kNone = SIZE_MAX;

struct StoreKey {
  uint32_t store;
  CacheEntryId id;
  bool operator==(const StoreKey&) const = default;
};
struct StoreKeyHash {
  size_t operator()(const StoreKey& key) const {
    return PrefixKeyHash()(key.id.key) + key.store * 2 + static_cast<size_t>(key.id.kind);
  }
};

class Forest {
 public:
  explicit Forest(std::span<const EvictionCandidate> candidates)
      : candidates_(candidates), nodes_(candidates.size()) {
    order_.resize(candidates.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    // Parents before children; of two copies, the one used last is kept.
    std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
      return std::tuple(candidates[a].position, candidates[b].last_used_ms, a) <
             std::tuple(candidates[b].position, candidates[a].last_used_ms, b);
    });
    for (const CacheEntryKind kind : {CacheEntryKind::kKvBlock, CacheEntryKind::kWindowSnapshot}) {
      for (const size_t index : order_) {
        if (candidates[index].id.kind == kind) Connect(index);
      }
    }
    SpreadLastUse();
  }

  struct Node {
    size_t host = kNone;  // of a block its parent, of a snapshot the block it belongs to
    bool is_reachable = false;
    bool is_pinned = false;
    bool is_evicted = false;
    uint32_t num_following_blocks = 0;
    uint64_t last_used_ms = 0;
    std::vector<size_t> snapshots = {};
  };

  Node& node(size_t index) { return nodes_[index]; }
  bool IsBlock(size_t index) const { return candidates_[index].id.kind == CacheEntryKind::kKvBlock; }
  size_t size() const { return nodes_.size(); }

  void Pin(const EvictionPin& pin) {
    const auto found = by_id_.find({pin.store, {CacheEntryKind::kKvBlock, pin.key}});
    size_t index = found == by_id_.end() ? kNone : found->second;
    for (; index != kNone; index = nodes_[index].host) nodes_[index].is_pinned = true;
  }

 private:
  size_t Find(uint32_t store, const PrefixKey& key) const {
    const auto found = by_id_.find({store, {CacheEntryKind::kKvBlock, key}});
    return found == by_id_.end() ? kNone : found->second;
  }

  void Connect(size_t index) {
    const EvictionCandidate& entry = candidates_[index];
    Node& node = nodes_[index];
    node.last_used_ms = entry.last_used_ms;
    // Before the entry itself is there to be found: a hostile one names itself as its parent.
    const size_t parent = entry.position == 0 ? kNone : Find(entry.store, entry.parent);
    if (!by_id_.emplace(StoreKey{entry.store, entry.id}, index).second) return;  // a second copy
    // A parent that does not end where this begins is another text's: only a hostile file has that.
    const bool has_parent = entry.position == 0 || (parent != kNone && nodes_[parent].is_reachable &&
                                                    EndOf(parent) == entry.position);
    if (IsBlock(index)) {
      node.host = parent;
      node.is_reachable = has_parent;
      if (has_parent && parent != kNone) ++nodes_[parent].num_following_blocks;
      return;
    }
    const size_t own_block = Find(entry.store, entry.id.key);
    node.host = own_block != kNone ? own_block : parent;
    node.is_reachable = own_block != kNone ? nodes_[own_block].is_reachable
                                           : has_parent && entry.num_tokens < kCacheTokensMax;
    if (node.is_reachable && node.host != kNone) nodes_[node.host].snapshots.push_back(index);
  }

  uint64_t EndOf(size_t index) const {
    return uint64_t{candidates_[index].position} + candidates_[index].num_tokens;
  }

  void SpreadLastUse() {
    const auto spread = [this](size_t index) {
      const Node& node = nodes_[index];
      if (!node.is_reachable || node.host == kNone) return;
      uint64_t& last_used_ms = nodes_[node.host].last_used_ms;
      last_used_ms = std::max(last_used_ms, node.last_used_ms);
    };
    for (const size_t index : order_) {
      if (!IsBlock(index)) spread(index);
    }
    for (auto index = order_.rbegin(); index != order_.rend(); ++index) {
      if (IsBlock(*index)) spread(*index);
    }
  }

  std::span<const EvictionCandidate> candidates_;
  std::vector<Node> nodes_;
  std::vector<size_t> order_;
  std::unordered_map<StoreKey, size_t, StoreKeyHash> by_id_;
};

class Evictor {
 public:
  Evictor(std::span<const EvictionCandidate> candidates, uint64_t bytes_to_free,
          const std::optional<EvictionPin>& pin)
      : candidates_(candidates), bytes_to_free_(bytes_to_free), forest_(candidates) {
    if (pin) forest_.Pin(*pin);
  }

  std::vector<size_t> Choose() {
    for (size_t index = 0; index < forest_.size() && !IsDone(); ++index) {
      if (!forest_.node(index).is_reachable) Evict(index);
    }
    for (size_t index = 0; index < forest_.size(); ++index) AddIfEvictable(index);
    while (!queue_.empty() && !IsDone()) {
      const size_t index = queue_.top().index;
      queue_.pop();
      if (IsAtEnd(index)) continue;  // has become the window at an end: goes with its block
      Evict(index);
    }
    return std::move(chosen_);
  }

 private:
  struct Turn {
    uint64_t last_used_ms;
    bool is_block;      // of one age, snapshots first: they cost a replay, not a prompt
    uint64_t position;  // and ends before beginnings
    size_t index;
    // The top of the queue is the largest.
    bool operator<(const Turn& other) const {
      return std::tuple(other.last_used_ms, other.is_block, position, other.index) <
             std::tuple(last_used_ms, is_block, other.position, index);
    }
  };

  bool IsDone() const { return bytes_freed_ >= bytes_to_free_; }

  bool IsAtEnd(size_t index) {
    const Forest::Node& node = forest_.node(index);
    return !forest_.IsBlock(index) && node.host != kNone && forest_.node(node.host).num_following_blocks == 0;
  }

  void AddIfEvictable(size_t index) {
    const Forest::Node& node = forest_.node(index);
    if (node.is_evicted || !node.is_reachable || node.is_pinned || IsAtEnd(index)) return;
    if (forest_.IsBlock(index) && node.num_following_blocks > 0) return;
    queue_.push({node.last_used_ms, forest_.IsBlock(index), candidates_[index].position, index});
  }

  void Evict(size_t index) {
    Forest::Node& node = forest_.node(index);
    if (node.is_evicted) return;
    node.is_evicted = true;
    for (const size_t snapshot : node.snapshots) Evict(snapshot);
    chosen_.push_back(index);
    bytes_freed_ += candidates_[index].bytes;
    if (!forest_.IsBlock(index) || !node.is_reachable || node.host == kNone) return;
    if (--forest_.node(node.host).num_following_blocks == 0) AddIfEvictable(node.host);
  }

  std::span<const EvictionCandidate> candidates_;
  const uint64_t bytes_to_free_;
  Forest forest_;
  std::priority_queue<Turn> queue_;
  std::vector<size_t> chosen_;
  uint64_t bytes_freed_ = 0;
};

}  // namespace

std::vector<size_t> ChooseEvictions(std::span<const EvictionCandidate> candidates, uint64_t bytes_to_free,
                                    const std::optional<EvictionPin>& pin) {
  return Evictor(candidates, bytes_to_free, pin).Choose();
}

CacheForestSummary SummarizeForest(std::span<const EvictionCandidate> candidates) {
  Forest forest(candidates);
  CacheForestSummary summary;
  for (size_t index = 0; index < candidates.size(); ++index) {
    const Forest::Node& node = forest.node(index);
    if (!node.is_reachable) {
      ++summary.num_unreachable;
      summary.unreachable_bytes += candidates[index].bytes;
    }
    if (node.is_reachable && forest.IsBlock(index) && node.num_following_blocks == 0) ++summary.num_branches;
  }
  return summary;
}

}  // namespace mimo
