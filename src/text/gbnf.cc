// Whatever refers to no rule becomes one terminal; the rest keeps the form of the source.

#include "text/gbnf.h"

#include <algorithm>

#include "text/gbnf_syntax.h"
#include "text/grammar_builder.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {
namespace {

using Kind = RegexNode::Kind;

bool HasRule(const RegexNode& node) {
  return node.kind == Kind::kRule || std::any_of(node.children.begin(), node.children.end(), HasRule);
}

class Compiler {
 public:
  Compiler(std::vector<GbnfRule> rules, GrammarBudget* budget)
      : rules_(std::move(rules)), budget_(*budget), builder_(budget) {}

  Result<GrammarPtr> Compile() {
    GrammarNodeId root = kNoGrammarNode;
    for (const GbnfRule& rule : rules_) {
      nodes_.push_back(builder_.Reserve());
      if (rule.name == "root") root = nodes_.back();
    }
    if (root == kNoGrammarNode) return InvalidArgument("the grammar has no rule 'root'");
    for (size_t i = 0; i < rules_.size(); ++i) {
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId body, Emit(rules_[i].body));
      builder_.Define(nodes_[i], body);
    }
    return builder_.Finish(root);
  }

 private:
  Result<GrammarNodeId> Emit(const RegexNode& node) {
    MIMO_RETURN_IF_ERROR(budget_.Spend(10));
    if (!HasRule(node)) {
      MIMO_ASSIGN_OR_RETURN(ByteDfa dfa, RegexDfa(node, RegexMatch::kWhole, &budget_));
      return builder_.Terminal(std::move(dfa));
    }
    if (node.kind == Kind::kRule) return nodes_[node.rule];
    if (node.kind == Kind::kConcat) return EmitConcat(node);
    std::vector<GrammarNodeId> children;
    for (const RegexNode& child : node.children) {
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId id, Emit(child));
      children.push_back(id);
    }
    if (node.kind == Kind::kAlternation) return builder_.Choice(std::move(children));
    return builder_.Repeat(children[0], node.repeat_min,
                           node.repeat_max == RegexNode::kNoMax ? kUnbounded : node.repeat_max);
  }

  // Neighbours without a rule are one terminal together.
  Result<GrammarNodeId> EmitConcat(const RegexNode& node) {
    std::vector<GrammarNodeId> children;
    RegexNode together = {.kind = Kind::kConcat};
    const auto flush = [&]() -> Status {
      if (together.children.empty()) return {};
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId id, Emit(together));
      children.push_back(id);
      together.children.clear();
      return {};
    };
    for (const RegexNode& child : node.children) {
      if (!HasRule(child)) {
        together.children.push_back(child);
        continue;
      }
      MIMO_RETURN_IF_ERROR(flush());
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId id, Emit(child));
      children.push_back(id);
    }
    MIMO_RETURN_IF_ERROR(flush());
    return builder_.Sequence(std::move(children));
  }

  const std::vector<GbnfRule> rules_;
  GrammarBudget& budget_;
  GrammarBuilder builder_;
  std::vector<GrammarNodeId> nodes_;  // of the rules
};

}  // namespace

Result<GrammarPtr> GrammarFromGbnf(std::string_view source, const GrammarLimits& limits) {
  if (source.size() > limits.source_bytes_max) {
    return InvalidArgument("the grammar has more than {} bytes", limits.source_bytes_max);
  }
  GrammarBudget budget(limits);
  MIMO_RETURN_IF_ERROR(budget.Spend(source.size()));
  MIMO_ASSIGN_OR_RETURN(std::vector<GbnfRule> rules, ParseGbnf(source, limits.nesting_max));
  return Compiler(std::move(rules), &budget).Compile();
}

}  // namespace mimo
