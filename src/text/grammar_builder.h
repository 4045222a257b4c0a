#pragma once
// Internal to grammars: nodes -> GrammarProgram, without what cannot be completed.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar_program.h"

namespace mimo {

// An object before the automaton of its keys is made.
struct GrammarObjectSpec {
  struct Entry {
    ByteDfa key;  // disjoint from the other entries' keys
    GrammarNodeId value = kNoGrammarNode;
    bool required = false;
  };
  GrammarNodeId open = kNoGrammarNode;
  GrammarNodeId separator = kNoGrammarNode;
  GrammarNodeId close = kNoGrammarNode;
  GrammarNodeId close_empty = kNoGrammarNode;
  std::vector<Entry> entries = {};
  uint32_t min = 0;
  uint32_t max = kUnbounded;
};

class GrammarBuilder {
 public:
  explicit GrammarBuilder(GrammarBudget* budget) : budget_(*budget) {}

  // A node to be defined later: rules and schemas refer to themselves.
  GrammarNodeId Reserve();
  // Defines a reserved node as another one.
  void Define(GrammarNodeId reserved, GrammarNodeId node);

  GrammarNodeId Terminal(GrammarTerminalPtr terminal);
  GrammarNodeId Terminal(ByteDfa dfa);
  GrammarNodeId Literal(std::string_view text);
  GrammarNodeId String(GrammarTerminalPtr terminal, uint32_t min, uint32_t max);
  GrammarNodeId Sequence(std::vector<GrammarNodeId> children);
  GrammarNodeId Choice(std::vector<GrammarNodeId> children);  // none: nothing fits
  GrammarNodeId Repeat(GrammarNodeId child, uint32_t min, uint32_t max);
  GrammarNodeId Object(GrammarObjectSpec spec);
  GrammarNodeId Array(GrammarArray array);

  size_t num_nodes() const { return program_->nodes.size(); }

  // kInvalidArgument when no finite text fits `root`, or only one deeper than allowed.
  Result<GrammarPtr> Finish(GrammarNodeId root);
  // True if no finite text fits. Follows definitions made so far; O(nodes).
  Result<bool> IsEmpty(GrammarNodeId node);

 private:
  GrammarNodeId Add(GrammarNode node);
  Status ComputeHeights();
  uint32_t HeightOf(const GrammarNode& node) const;
  uint32_t ObjectHeight(const GrammarObjectSpec& spec) const;
  uint32_t ArrayHeight(const GrammarArray& array) const;
  Status FinishObject(uint32_t index);
  void PruneChildren();
  Status CheckLeftRecursion() const;

  GrammarBudget& budget_;
  std::unique_ptr<GrammarProgram> program_ = std::make_unique<GrammarProgram>();
  std::vector<GrammarObjectSpec> specs_;          // of program_->objects
  std::vector<std::vector<uint64_t>> key_words_;  // of each entry of each spec: how many keys it has
};

}  // namespace mimo
