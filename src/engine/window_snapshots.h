#pragma once
// Windows of the sliding layers at chosen positions, from which a sequence goes on without computing the
// tokens before them again. One of Flash takes 25 MB in bf16, as much as the full layers' keys of 1,100
// tokens; so they have a budget of their own, and the least useful goes first.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/prefix_tree.h"

namespace mimo {

// In the order in which they are given up.
enum class SnapshotKind : uint8_t {
  kOnTheWay,   // every few thousand tokens of a prompt: for branches at places nobody can foretell
  kBranch,     // where a second text left the first one, such as the end of the system message
  kPromptEnd,  // for another answer, and for clients that do not send the reasoning back
  kTurnEnd,    // where the conversation goes on
};

struct WindowSnapshot {
  PrefixNode* node = nullptr;   // the block that position end - 1 lies in
  uint32_t end = 0;             // the window ends before this position
  uint32_t first_position = 0;  // from here to `end` a sequence can go on from it
  SnapshotKind kind = SnapshotKind::kOnTheWay;
  uint64_t last_used = 0;
  std::vector<std::byte> bytes = {};
  uint64_t disk_epoch = 0;  // PrefixDisk's: when it was last known to be on disk
};

// Not thread-safe.
class WindowSnapshots {
 public:
  explicit WindowSnapshots(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  uint64_t bytes() const { return bytes_; }
  uint32_t size() const { return static_cast<uint32_t>(snapshots_.size()); }
  uint64_t num_evicted() const { return num_evicted_; }

  // The one of `node` that ends at `end`, or null.
  static WindowSnapshot* At(const PrefixNode& node, uint32_t end);

  // Whether one of this size can be kept at all.
  bool Fits(uint64_t num_bytes) const { return num_bytes <= bytes_max_; }
  // Gives up others until all fit. Requires: it fits; none at this place.
  WindowSnapshot& Add(WindowSnapshot snapshot);
  void Touch(WindowSnapshot& snapshot) { snapshot.last_used = ++clock_; }
  void Remove(WindowSnapshot& snapshot);

 private:
  // Whether nothing later on its branch has a window: then the branch could only be continued by replaying.
  static bool IsLastOfBranch(const WindowSnapshot& snapshot);
  static bool GoesBefore(const WindowSnapshot& a, const WindowSnapshot& b);

  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  uint64_t num_evicted_ = 0;
  uint64_t clock_ = 0;
  std::vector<std::unique_ptr<WindowSnapshot>> snapshots_;
};

}  // namespace mimo
