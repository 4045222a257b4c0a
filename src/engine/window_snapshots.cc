#include "engine/window_snapshots.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace mimo {
namespace {

void CountOnBranch(PrefixNode* node, bool is_added) {
  for (; node != nullptr; node = node->parent) {
    if (is_added) {
      ++node->num_snapshots_below;
    } else {
      --node->num_snapshots_below;
    }
  }
}

}  // namespace

WindowSnapshot* WindowSnapshots::At(const PrefixNode& node, uint32_t end) {
  const auto at = std::find_if(node.snapshots.begin(), node.snapshots.end(),
                               [end](const WindowSnapshot* snapshot) { return snapshot->end == end; });
  return at == node.snapshots.end() ? nullptr : *at;
}

bool WindowSnapshots::IsLastOfBranch(const WindowSnapshot& snapshot) {
  const auto& here = snapshot.node->snapshots;
  const auto num_up_to_it = std::count_if(
      here.begin(), here.end(), [&](const WindowSnapshot* other) { return other->end <= snapshot.end; });
  return snapshot.node->num_snapshots_below == static_cast<uint32_t>(num_up_to_it);
}

bool WindowSnapshots::GoesBefore(const WindowSnapshot& a, const WindowSnapshot& b) {
  return std::make_tuple(IsLastOfBranch(a), a.kind, a.last_used) <
         std::make_tuple(IsLastOfBranch(b), b.kind, b.last_used);
}

WindowSnapshot& WindowSnapshots::Add(WindowSnapshot snapshot) {
  MIMO_CHECK(Fits(snapshot.bytes.size()) && At(*snapshot.node, snapshot.end) == nullptr);
  bytes_ += snapshot.bytes.size();
  snapshots_.push_back(std::make_unique<WindowSnapshot>(std::move(snapshot)));
  WindowSnapshot& added = *snapshots_.back();
  added.node->snapshots.push_back(&added);
  CountOnBranch(added.node, true);
  Touch(added);
  // Now that it is there, the one before it is no longer the last of its branch.
  while (bytes_ > bytes_max_) {
    const auto first = std::min_element(snapshots_.begin(), std::prev(snapshots_.end()),
                                        [](const auto& a, const auto& b) { return GoesBefore(*a, *b); });
    Remove(**first);
    ++num_evicted_;
  }
  return added;
}

void WindowSnapshots::Remove(WindowSnapshot& snapshot) {
  bytes_ -= snapshot.bytes.size();
  CountOnBranch(snapshot.node, false);
  std::erase(snapshot.node->snapshots, &snapshot);
  const auto at = std::find_if(snapshots_.begin(), snapshots_.end(),
                               [&](const auto& candidate) { return candidate.get() == &snapshot; });
  snapshots_.erase(at);
}

}  // namespace mimo
