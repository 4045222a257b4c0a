#include "text/json_schema_counted_array.h"

#include <algorithm>

namespace mimo {
namespace {

constexpr size_t kCombinationsMax = 4096;

// From where on all places are alike, unless there is a last one.
uint32_t CountedItems(const ArraySet& set) {
  if (set.max != kUnbounded) return set.max;
  uint32_t counted = std::max(set.min, static_cast<uint32_t>(set.prefix_size()));
  for (const ArrayContains& contains : set.contains) counted = std::max(counted, contains.from);
  return counted;
}

}  // namespace

CountedArray::CountedArray(const ArraySet& set, const ArrayBrackets& brackets, JsonEmitter* emitter,
                           GrammarBuilder* builder)
    : set_(set),
      brackets_(brackets),
      emitter_(*emitter),
      builder_(*builder),
      num_items_max_(CountedItems(set)) {}

Result<GrammarNodeId> CountedArray::Node() {
  const Counts none(set_.contains.size() + 1, 0);
  std::vector<GrammarNodeId> contents = {NextItem(none)};
  if (CanEnd(none)) contents.push_back(brackets_.close_empty);
  const GrammarNodeId array = builder_.Sequence({brackets_.open, builder_.Choice(std::move(contents))});
  while (!pending_.empty()) {
    if (after_.size() > kCombinationsMax) {
      return InvalidArgument("JSON schema: 'contains' with such counts needs more than {} combinations",
                             kCombinationsMax);
    }
    const auto [counts, node] = std::move(pending_.back());
    pending_.pop_back();
    std::vector<GrammarNodeId> next = {builder_.Sequence({brackets_.separator, NextItem(counts)})};
    if (CanEnd(counts)) next.push_back(brackets_.close);
    builder_.Define(node, builder_.Choice(std::move(next)));
  }
  return array;
}

bool CountedArray::CanEnd(const Counts& counts) const {
  if (counts[0] < set_.min) return false;
  for (size_t i = 0; i < set_.contains.size(); ++i) {
    if (counts[i + 1] < set_.contains[i].min) return false;
  }
  return true;
}

std::vector<CountedArray::Step> CountedArray::StepsFrom(const Counts& counts) const {
  const uint32_t index = counts[0];
  if (index >= set_.max) return {};
  std::vector<Step> steps = {{set_.ItemAt(index), counts}};
  steps[0].after[0] = std::min(index + 1, num_items_max_);
  for (size_t i = 0; i < set_.contains.size(); ++i) {
    const ArrayContains& contains = set_.contains[i];
    const uint32_t count = counts[i + 1];
    const bool is_limited = contains.max != kUnbounded;
    // Without an upper limit what is not counted may be anything, and after the lower one nothing is.
    if (index < contains.from || (!is_limited && count >= contains.min)) continue;
    std::vector<Step> either;
    for (const Step& step : steps) {
      if (count < contains.max) {
        either.push_back({And(step.item, contains.item), step.after});
        ++either.back().after[i + 1];
      }
      for (const SchemaFormula& other :
           is_limited ? Negations(contains.item) : std::vector<SchemaFormula>{SchemaFormula{}}) {
        either.push_back({And(step.item, other), step.after});
      }
    }
    steps = std::move(either);
  }
  return steps;
}

GrammarNodeId CountedArray::NextItem(const Counts& counts) {
  std::vector<GrammarNodeId> items;
  for (const Step& step : StepsFrom(counts)) {
    items.push_back(builder_.Sequence({emitter_.NodeFor(step.item), After(step.after)}));
  }
  return builder_.Choice(std::move(items));
}

GrammarNodeId CountedArray::After(const Counts& counts) {
  const auto known = after_.find(counts);
  if (known != after_.end()) return known->second;
  const GrammarNodeId node = builder_.Reserve();
  after_.emplace(counts, node);
  pending_.emplace_back(counts, node);
  return node;
}

}  // namespace mimo
