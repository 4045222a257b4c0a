#pragma once
// Internal to json_schema: arrays that count the items that satisfy something (`contains`).

#include <map>
#include <utility>
#include <vector>

#include "text/json_schema_emitter.h"

namespace mimo {

struct ArrayBrackets {
  GrammarNodeId open = kNoGrammarNode;
  GrammarNodeId separator = kNoGrammarNode;
  GrammarNodeId close = kNoGrammarNode;
  GrammarNodeId close_empty = kNoGrammarNode;
};

// A node for each combination of counts, up to where a count stops mattering.
class CountedArray {
 public:
  // All must outlive this.
  CountedArray(const ArraySet& set, const ArrayBrackets& brackets, JsonEmitter* emitter,
               GrammarBuilder* builder);

  // kInvalidArgument when there are too many combinations.
  Result<GrammarNodeId> Node();

 private:
  // The number of items, then what each `contains` has counted.
  using Counts = std::vector<uint32_t>;
  struct Step {
    SchemaFormula item;
    Counts after;
  };

  bool CanEnd(const Counts& counts) const;
  // The ways to have one more item.
  std::vector<Step> StepsFrom(const Counts& counts) const;
  // The text from the next item on.
  GrammarNodeId NextItem(const Counts& counts);
  // The text behind an item. Defined by Node.
  GrammarNodeId After(const Counts& counts);

  const ArraySet& set_;
  const ArrayBrackets& brackets_;
  JsonEmitter& emitter_;
  GrammarBuilder& builder_;
  const uint32_t num_items_max_;  // beyond this many they are not counted
  std::map<Counts, GrammarNodeId> after_;
  std::vector<std::pair<Counts, GrammarNodeId>> pending_;
};

}  // namespace mimo
