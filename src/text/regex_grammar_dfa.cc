#include "text/regex_grammar_dfa.h"

#include <algorithm>
#include <span>

#include "base/check.h"
#include "text/grammar_nfa.h"
#include "text/regex_grammar_syntax.h"

namespace mimo {
namespace {

using Kind = RegexNode::Kind;

class Compiler {
 public:
  Compiler(RegexMatch match, GrammarBudget* budget) : match_(match), budget_(*budget) {}

  Result<ByteDfa> Compile(const RegexNode& root) {
    std::vector<RegexNode> branches;
    if (root.kind == Kind::kAlternation) {
      branches = root.children;
    } else {
      branches = {root};
    }
    const bool has_lookahead =
        std::any_of(branches.begin(), branches.end(), [](const RegexNode& b) { return HasLookahead(b); });
    if (!has_lookahead) return Language(std::span(&root, 1), true, true);
    ByteDfa all = EmptyDfa();
    for (RegexNode& branch : branches) {
      if (branch.kind != Kind::kConcat) {
        RegexNode concat;
        concat.children.push_back(std::move(branch));
        branch = std::move(concat);
      }
      MIMO_ASSIGN_OR_RETURN(const ByteDfa dfa, Branch(branch.children, true));
      MIMO_ASSIGN_OR_RETURN(all, Combine(all, dfa, DfaOperation::kUnion, &budget_));
    }
    return all;
  }

 private:
  static bool HasLookahead(const RegexNode& node) {
    return node.kind == Kind::kLookahead ||
           std::any_of(node.children.begin(), node.children.end(),
                       [](const RegexNode& child) { return HasLookahead(child); });
  }
  static bool Has(const RegexNode& node, Kind kind) {
    return node.kind == kind || std::any_of(node.children.begin(), node.children.end(),
                                            [&](const RegexNode& child) { return Has(child, kind); });
  }

  // a (?=r) b  =  a (b & r .*), where b reaches to the end of the text.
  Result<ByteDfa> Branch(std::span<const RegexNode> items, bool at_begin) {
    const auto lookahead = std::find_if(items.begin(), items.end(),
                                        [](const RegexNode& item) { return item.kind == Kind::kLookahead; });
    const auto index = static_cast<size_t>(lookahead - items.begin());
    if (lookahead == items.end()) return Language(items, at_begin, true);
    const auto before = items.first(index);
    const auto after = items.subspan(index + 1);
    for (const RegexNode& item : before) {
      if (Has(item, Kind::kEnd)) return InvalidArgument("a pattern with look-ahead after $ is not supported");
    }
    for (const RegexNode& item : after) {
      if (Has(item, Kind::kBegin))
        return InvalidArgument("a pattern with look-ahead before ^ is not supported");
    }
    MIMO_ASSIGN_OR_RETURN(const ByteDfa tail, Branch(after, false));
    MIMO_ASSIGN_OR_RETURN(const ByteDfa seen, Lookahead(lookahead->children[0]));
    MIMO_ASSIGN_OR_RETURN(
        const ByteDfa both,
        Combine(tail, seen, lookahead->negated ? DfaOperation::kDifference : DfaOperation::kIntersection,
                &budget_));
    MIMO_ASSIGN_OR_RETURN(const ByteDfa head, Language(before, at_begin, false));
    return Concatenate(head, both, &budget_);
  }

  Result<ByteDfa> Lookahead(const RegexNode& node) {
    NfaBuilder nfa;
    const uint32_t middle = nfa.NewState();
    const uint32_t end = nfa.NewState();
    MIMO_RETURN_IF_ERROR(Emit(node, NfaBuilder::kStart, middle, &nfa));
    EmitAnything(middle, end, &nfa);
    nfa.SetLabel(end, 1);
    return nfa.Determinize(&budget_);
  }

  Result<ByteDfa> Language(std::span<const RegexNode> items, bool at_begin, bool at_end) {
    NfaBuilder nfa;
    uint32_t state = NfaBuilder::kStart;
    const auto add_anything = [&] {
      const uint32_t to = nfa.NewState();
      EmitAnything(state, to, &nfa);
      state = to;
    };
    if (at_begin && match_ == RegexMatch::kSomewhere) add_anything();
    for (const RegexNode& item : items) {
      const uint32_t to = nfa.NewState();
      MIMO_RETURN_IF_ERROR(Emit(item, state, to, &nfa));
      state = to;
    }
    if (at_end && match_ == RegexMatch::kSomewhere) add_anything();
    nfa.SetLabel(state, 1);
    return nfa.Determinize(&budget_);
  }

  static void EmitAnything(uint32_t from, uint32_t to, NfaBuilder* nfa) {
    const uint32_t loop = nfa->NewState();
    nfa->AddEpsilon(from, loop);
    nfa->AddCodePoints(loop, 0, 0x10FFFF, loop);
    nfa->AddEpsilon(loop, to);
  }

  Status Emit(const RegexNode& node, uint32_t from, uint32_t to, NfaBuilder* nfa) {
    MIMO_RETURN_IF_ERROR(budget_.Spend(1 + node.ranges.size()));
    MIMO_RETURN_IF_ERROR(budget_.CheckStates(nfa->num_states() / 8));
    switch (node.kind) {
      case Kind::kClass:
        for (const auto& [low, high] : node.ranges) nfa->AddCodePoints(from, low, high, to);
        return {};
      case Kind::kConcat:
        for (const RegexNode& child : node.children) {
          const uint32_t next = nfa->NewState();
          MIMO_RETURN_IF_ERROR(Emit(child, from, next, nfa));
          from = next;
        }
        nfa->AddEpsilon(from, to);
        return {};
      case Kind::kAlternation:
        for (const RegexNode& child : node.children) {
          const uint32_t begin = nfa->NewState();
          nfa->AddEpsilon(from, begin);
          MIMO_RETURN_IF_ERROR(Emit(child, begin, to, nfa));
        }
        return {};
      case Kind::kRepeat:
        return EmitRepeat(node, from, to, nfa);
      case Kind::kBegin:
        nfa->AddBegin(from, to);
        return {};
      case Kind::kEnd:
        nfa->AddEnd(from, to);
        return {};
      case Kind::kRule:
        break;
      case Kind::kLookahead:
        return InvalidArgument("look-ahead is only supported at the top level of a pattern");
    }
    return Internal("an unknown kind of pattern");
  }

  Status EmitRepeat(const RegexNode& node, uint32_t from, uint32_t to, NfaBuilder* nfa) {
    const RegexNode& child = node.children[0];
    for (uint32_t i = 0; i < node.repeat_min; ++i) {
      const uint32_t next = nfa->NewState();
      MIMO_RETURN_IF_ERROR(Emit(child, from, next, nfa));
      from = next;
    }
    if (node.repeat_max == RegexNode::kNoMax) {
      const uint32_t loop = nfa->NewState();
      const uint32_t end = nfa->NewState();
      nfa->AddEpsilon(from, loop);
      MIMO_RETURN_IF_ERROR(Emit(child, loop, end, nfa));
      nfa->AddEpsilon(end, loop);
      nfa->AddEpsilon(loop, to);
      return {};
    }
    for (uint32_t i = node.repeat_min; i < node.repeat_max; ++i) {
      const uint32_t begin = nfa->NewState();
      const uint32_t next = nfa->NewState();
      nfa->AddEpsilon(from, begin);
      nfa->AddEpsilon(from, to);
      MIMO_RETURN_IF_ERROR(Emit(child, begin, next, nfa));
      from = next;
    }
    nfa->AddEpsilon(from, to);
    return {};
  }

  const RegexMatch match_;
  GrammarBudget& budget_;
};

}  // namespace

Result<ByteDfa> RegexDfa(std::string_view pattern, RegexMatch match, GrammarBudget* budget) {
  MIMO_RETURN_IF_ERROR(budget->Spend(pattern.size()));
  MIMO_ASSIGN_OR_RETURN(const RegexNode root, ParseRegex(pattern, budget->limits().nesting_max));
  return RegexDfa(root, match, budget);
}

Result<ByteDfa> RegexDfa(const RegexNode& root, RegexMatch match, GrammarBudget* budget) {
  return Compiler(match, budget).Compile(root);
}

ByteDfa ConstantRegexDfa(std::string_view pattern) {
  GrammarBudget budget(LimitsOfConstants());
  Result<ByteDfa> dfa = RegexDfa(pattern, RegexMatch::kWhole, &budget);
  MIMO_CHECK(dfa);
  return *std::move(dfa);
}

}  // namespace mimo
