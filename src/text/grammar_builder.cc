#include "text/grammar_builder.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/check.h"
#include "text/grammar_nfa.h"

namespace mimo {
namespace {

uint64_t NextTerminalId() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

// Shortest ways to acceptance where only steps from boundaries count.
std::vector<uint16_t> CountNeeded(const ByteDfa& dfa, const std::vector<bool>& is_boundary) {
  constexpr uint16_t kFar = UINT16_MAX;
  std::vector<uint16_t> needed(dfa.num_states(), kFar);
  for (uint32_t state = 1; state < dfa.num_states(); ++state) {
    if (dfa.label[state] != 0) needed[state] = 0;
  }
  // The automata are small, and their longest way is that of a closing tag.
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t state = 1; state < dfa.num_states(); ++state) {
      for (uint32_t c = 0; c < dfa.num_classes; ++c) {
        const uint32_t to = dfa.next[size_t{state} * dfa.num_classes + c];
        if (to == ByteDfa::kDead || needed[to] == kFar) continue;
        const bool counts = is_boundary[state] && dfa.label[to] == 0;
        const auto here = static_cast<uint16_t>(needed[to] + (counts ? 1 : 0));
        if (here >= needed[state]) continue;
        needed[state] = here;
        changed = true;
      }
    }
  }
  needed[ByteDfa::kDead] = 0;
  return needed;
}

uint32_t PlusOne(uint32_t height) { return height == kUnbounded ? kUnbounded : height + 1; }

}  // namespace

GrammarTerminal::GrammarTerminal(ByteDfa automaton) : dfa(std::move(automaton)), id(NextTerminalId()) {}
GrammarTerminal::GrammarTerminal(ByteDfa automaton, std::vector<bool> boundaries)
    : dfa(std::move(automaton)),
      is_boundary(std::move(boundaries)),
      needed(CountNeeded(dfa, is_boundary)),
      needed_max(*std::max_element(needed.begin(), needed.end())),
      id(NextTerminalId()) {}

GrammarNodeId GrammarBuilder::Add(GrammarNode node) {
  program_->nodes.push_back(std::move(node));
  return static_cast<GrammarNodeId>(program_->nodes.size() - 1);
}

GrammarNodeId GrammarBuilder::Reserve() { return Add({.kind = GrammarNode::Kind::kChoice}); }

void GrammarBuilder::Define(GrammarNodeId reserved, GrammarNodeId node) {
  program_->nodes[reserved].children = {node};
}

GrammarNodeId GrammarBuilder::Terminal(GrammarTerminalPtr terminal) {
  program_->terminals.push_back(std::move(terminal));
  return Add(
      {.kind = GrammarNode::Kind::kTerminal, .index = static_cast<uint32_t>(program_->terminals.size() - 1)});
}

GrammarNodeId GrammarBuilder::Terminal(ByteDfa dfa) {
  return Terminal(std::make_shared<GrammarTerminal>(std::move(dfa)));
}

GrammarNodeId GrammarBuilder::Literal(std::string_view text) { return Terminal(LiteralDfa(text)); }

GrammarNodeId GrammarBuilder::String(GrammarTerminalPtr terminal, uint32_t min, uint32_t max) {
  program_->terminals.push_back(std::move(terminal));
  return Add({.kind = GrammarNode::Kind::kString,
              .index = static_cast<uint32_t>(program_->terminals.size() - 1),
              .min = min,
              .max = max});
}

GrammarNodeId GrammarBuilder::Sequence(std::vector<GrammarNodeId> children) {
  if (children.size() == 1) return children[0];
  if (children.empty()) return Literal("");
  return Add({.kind = GrammarNode::Kind::kSequence, .children = std::move(children)});
}

GrammarNodeId GrammarBuilder::Choice(std::vector<GrammarNodeId> children) {
  if (children.size() == 1) return children[0];
  return Add({.kind = GrammarNode::Kind::kChoice, .children = std::move(children)});
}

GrammarNodeId GrammarBuilder::Repeat(GrammarNodeId child, uint32_t min, uint32_t max) {
  return Add({.kind = GrammarNode::Kind::kRepeat, .min = min, .max = max, .children = {child}});
}

GrammarNodeId GrammarBuilder::Object(GrammarObjectSpec spec) {
  std::vector<uint64_t> words;
  for (const GrammarObjectSpec::Entry& entry : spec.entries) {
    words.push_back(CountWords(entry.key)[entry.key.start]);
  }
  key_words_.push_back(std::move(words));
  specs_.push_back(std::move(spec));
  program_->objects.emplace_back();
  return Add({.kind = GrammarNode::Kind::kObject, .index = static_cast<uint32_t>(specs_.size() - 1)});
}

GrammarNodeId GrammarBuilder::Array(GrammarArray array) {
  program_->arrays.push_back(std::move(array));
  return Add(
      {.kind = GrammarNode::Kind::kArray, .index = static_cast<uint32_t>(program_->arrays.size() - 1)});
}

// The least heights are reached from below by repeating until nothing falls any more; a grammar of n nodes
// needs at most n rounds and in practice a few.
Status GrammarBuilder::ComputeHeights() {
  for (GrammarNode& node : program_->nodes) node.height = kUnbounded;
  for (bool changed = true; changed;) {
    changed = false;
    MIMO_RETURN_IF_ERROR(budget_.Spend(program_->nodes.size()));
    for (GrammarNode& node : program_->nodes) {
      const uint32_t height = HeightOf(node);
      if (height >= node.height) continue;
      node.height = height;
      changed = true;
    }
  }
  return {};
}

uint32_t GrammarBuilder::HeightOf(const GrammarNode& node) const {
  const auto height_of = [&](GrammarNodeId id) { return program_->nodes[id].height; };
  uint32_t height = 0;
  switch (node.kind) {
    case GrammarNode::Kind::kTerminal:
    case GrammarNode::Kind::kString:
      if (node.min > node.max) return kUnbounded;
      return program_->terminals[node.index]->dfa.IsEmpty() ? kUnbounded : 0;
    case GrammarNode::Kind::kSequence:
      for (size_t i = 0; i < node.children.size(); ++i) {
        const uint32_t child = height_of(node.children[i]);
        height = std::max(height, i + 1 < node.children.size() ? PlusOne(child) : child);
      }
      return height;
    case GrammarNode::Kind::kChoice:
      height = kUnbounded;
      for (const GrammarNodeId child : node.children) height = std::min(height, height_of(child));
      return height;
    case GrammarNode::Kind::kRepeat:
      if (node.min > node.max) return kUnbounded;
      return node.min == 0 ? 0 : PlusOne(height_of(node.children[0]));
    case GrammarNode::Kind::kObject:
      return ObjectHeight(specs_[node.index]);
    case GrammarNode::Kind::kArray:
      return ArrayHeight(program_->arrays[node.index]);
  }
  return kUnbounded;
}

uint32_t GrammarBuilder::ObjectHeight(const GrammarObjectSpec& spec) const {
  const std::vector<uint64_t>& words = key_words_[static_cast<size_t>(&spec - specs_.data())];
  uint32_t height = 0;
  uint32_t num_required = 0;
  std::vector<std::pair<uint32_t, uint64_t>> optional;  // height, number of keys
  for (size_t i = 0; i < spec.entries.size(); ++i) {
    const uint32_t value = program_->nodes[spec.entries[i].value].height;
    if (spec.entries[i].required) {
      height = std::max(height, value);
      ++num_required;
    } else if (value != kUnbounded) {
      optional.emplace_back(value, words[i]);
    }
  }
  if (num_required > spec.max || spec.min > spec.max) return kUnbounded;
  uint64_t missing = spec.min > num_required ? spec.min - num_required : 0;
  std::sort(optional.begin(), optional.end());
  for (const auto& [value, num_keys] : optional) {
    if (missing == 0) break;
    height = std::max(height, value);
    missing -= std::min(missing, num_keys);
  }
  return missing > 0 ? kUnbounded : PlusOne(height);
}

uint32_t GrammarBuilder::ArrayHeight(const GrammarArray& array) const {
  if (array.min > array.max) return kUnbounded;
  uint32_t height = 0;
  const size_t num_looked_at = std::min<size_t>(array.min, array.prefix.size() + 1);
  for (uint32_t i = 0; i < num_looked_at; ++i) {
    const GrammarNodeId item = array.ItemAt(i);
    if (item == kNoGrammarNode) return kUnbounded;
    height = std::max(height, program_->nodes[item].height);
  }
  return PlusOne(height);
}

Result<bool> GrammarBuilder::IsEmpty(GrammarNodeId node) {
  MIMO_RETURN_IF_ERROR(ComputeHeights());
  return program_->nodes[node].height == kUnbounded;
}

// Alternatives without a finite text go. Sequences that contain one are never entered.
void GrammarBuilder::PruneChildren() {
  const auto is_empty = [&](GrammarNodeId id) { return program_->nodes[id].height == kUnbounded; };
  for (GrammarNode& node : program_->nodes) {
    if (node.kind == GrammarNode::Kind::kChoice) std::erase_if(node.children, is_empty);
    if (node.kind == GrammarNode::Kind::kRepeat && is_empty(node.children[0])) node.max = 0;
  }
  for (GrammarArray& array : program_->arrays) {
    for (uint32_t i = 0; i < array.prefix.size(); ++i) {
      if (!is_empty(array.prefix[i])) continue;
      array.prefix.resize(i);
      array.rest = kNoGrammarNode;
    }
    if (array.rest != kNoGrammarNode && is_empty(array.rest)) array.rest = kNoGrammarNode;
    if (array.rest == kNoGrammarNode) {
      array.max = std::min(array.max, static_cast<uint32_t>(array.prefix.size()));
    }
  }
}

namespace {

// Walks along what may begin a node's text. A way back to a node on the path is left recursion, which a
// matcher would follow for ever.
class LeftWalk {
 public:
  explicit LeftWalk(const GrammarProgram& program)
      : program_(program),
        state_(program.nodes.size(), State::kNew),
        nullable_(program.nodes.size(), false) {}

  void FindNullable() {
    for (bool changed = true; changed;) {
      changed = false;
      for (GrammarNodeId id = 0; id < program_.nodes.size(); ++id) {
        if (nullable_[id] || !IsNullable(program_.nodes[id])) continue;
        nullable_[id] = changed = true;
      }
    }
  }

  Status Visit(GrammarNodeId id, size_t depth) {
    constexpr size_t kDepthMax = 1000;  // of the matcher's recursion
    if (state_[id] == State::kDone) return {};
    if (state_[id] == State::kOnPath) return InvalidArgument("the grammar is left-recursive");
    if (depth > kDepthMax) return InvalidArgument("rules are nested more than {} deep", kDepthMax);
    state_[id] = State::kOnPath;
    const GrammarNode& node = program_.nodes[id];
    for (const GrammarNodeId child : node.children) {
      MIMO_RETURN_IF_ERROR(Visit(child, depth + 1));
      if (node.kind == GrammarNode::Kind::kSequence && !nullable_[child]) break;
    }
    state_[id] = State::kDone;
    return {};
  }

 private:
  enum class State : uint8_t { kNew, kOnPath, kDone };

  bool IsNullable(const GrammarNode& node) const {
    const auto is_nullable = [&](GrammarNodeId child) { return nullable_[child]; };
    switch (node.kind) {
      case GrammarNode::Kind::kTerminal: {
        const ByteDfa& dfa = program_.terminals[node.index]->dfa;
        return dfa.label[dfa.start] != 0;
      }
      case GrammarNode::Kind::kSequence:
        return std::all_of(node.children.begin(), node.children.end(), is_nullable);
      case GrammarNode::Kind::kChoice:
        return std::any_of(node.children.begin(), node.children.end(), is_nullable);
      case GrammarNode::Kind::kRepeat:
        return node.min == 0 || nullable_[node.children[0]];
      default:
        return false;  // objects and arrays have brackets
    }
  }

  const GrammarProgram& program_;
  std::vector<State> state_;
  std::vector<bool> nullable_;
};

}  // namespace

Status GrammarBuilder::CheckLeftRecursion() const {
  LeftWalk walk(*program_);
  walk.FindNullable();
  // A long way to a node that is done already counts less than it is, so look from the front of the program,
  // where the deepest nodes stand.
  for (GrammarNodeId id = 0; id < program_->nodes.size(); ++id) MIMO_RETURN_IF_ERROR(walk.Visit(id, 0));
  return {};
}

Status GrammarBuilder::FinishObject(uint32_t index) {
  GrammarObjectSpec& spec = specs_[index];
  GrammarObject& object = program_->objects[index];
  object.open = spec.open;
  object.separator = spec.separator;
  object.close = spec.close;
  object.close_empty = spec.close_empty;
  object.min = spec.min;
  object.max = spec.max;
  NfaBuilder keys;
  NfaBuilder required_keys;
  uint64_t num_keys = 0;
  for (size_t i = 0; i < spec.entries.size(); ++i) {
    GrammarObjectSpec::Entry& entry = spec.entries[i];
    const uint32_t height = program_->nodes[entry.value].height;
    if (height == kUnbounded || entry.key.IsEmpty()) continue;
    object.value_height_max = std::max(object.value_height_max, height);
    object.entries.push_back({entry.value, entry.required});
    const auto label = static_cast<uint32_t>(object.entries.size());
    num_keys += std::min<uint64_t>(key_words_[index][i], kUnbounded);
    for (NfaBuilder* nfa : {&keys, &required_keys}) {
      if (nfa == &required_keys && !entry.required) continue;
      const uint32_t end = nfa->NewState();
      nfa->AddDfa(NfaBuilder::kStart, entry.key, end);
      nfa->SetLabel(end, label);
    }
    object.required_count += entry.required ? 1 : 0;
    entry.key = EmptyDfa();
  }
  object.max = static_cast<uint32_t>(std::min<uint64_t>(object.max, num_keys));
  MIMO_ASSIGN_OR_RETURN(ByteDfa all, keys.Determinize(&budget_));
  MIMO_ASSIGN_OR_RETURN(ByteDfa required, required_keys.Determinize(&budget_));
  object.keys_words = CountWords(all);
  object.required_keys_words = CountWords(required);
  object.keys = std::make_shared<GrammarTerminal>(std::move(all));
  object.required_keys = std::make_shared<GrammarTerminal>(std::move(required));
  return {};
}

Result<GrammarPtr> GrammarBuilder::Finish(GrammarNodeId root) {
  if (program_->nodes.size() > budget_.limits().nodes_max) {
    return InvalidArgument("the grammar has more than {} parts", budget_.limits().nodes_max);
  }
  MIMO_RETURN_IF_ERROR(ComputeHeights());
  const uint32_t height = program_->nodes[root].height;
  if (height == kUnbounded) return InvalidArgument("nothing satisfies the grammar");
  program_->depth_max = budget_.limits().depth_max;
  if (height > program_->depth_max) {
    return InvalidArgument("whatever satisfies the grammar is nested more than {} deep", program_->depth_max);
  }
  PruneChildren();
  MIMO_RETURN_IF_ERROR(CheckLeftRecursion());
  for (uint32_t i = 0; i < specs_.size(); ++i) MIMO_RETURN_IF_ERROR(FinishObject(i));
  program_->root = root;
  return std::make_shared<const Grammar>(std::move(program_));
}

}  // namespace mimo
