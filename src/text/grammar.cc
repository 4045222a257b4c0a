#include "text/grammar.h"

#include <algorithm>
#include <utility>

#include "text/grammar_builder.h"
#include "text/grammar_mask.h"
#include "text/grammar_matcher.h"
#include "text/grammar_nfa.h"
#include "text/grammar_vocabulary.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {

Grammar::Grammar(std::unique_ptr<const GrammarProgram> program) : program_(std::move(program)) {}
Grammar::~Grammar() = default;

bool TokenBitmask::IsEmpty() const {
  return std::all_of(words_.begin(), words_.end(), [](uint64_t word) { return word == 0; });
}

struct GrammarMatcher::Impl {
  Impl(GrammarPtr of, const GrammarVocabulary* over)
      : grammar(std::move(of)), vocabulary(over), stacks(&grammar->program()) {
    threads = stacks.Start();
  }

  GrammarPtr grammar;
  const GrammarVocabulary* vocabulary;
  GrammarStacks stacks;
  GrammarThreads threads;
};

GrammarMatcher::GrammarMatcher(GrammarPtr grammar, const GrammarVocabulary* vocabulary)
    : impl_(std::make_unique<Impl>(std::move(grammar), vocabulary)) {}
GrammarMatcher::~GrammarMatcher() = default;
GrammarMatcher::GrammarMatcher(const GrammarMatcher& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
GrammarMatcher::GrammarMatcher(GrammarMatcher&&) noexcept = default;
GrammarMatcher& GrammarMatcher::operator=(GrammarMatcher&&) noexcept = default;

bool GrammarMatcher::AcceptBytes(std::string_view bytes) {
  GrammarStacks& stacks = impl_->stacks;
  const GrammarStacks::Mark mark = stacks.MakeMark();
  stacks.ResetWork();
  GrammarThreads threads = impl_->threads;
  GrammarThreads next;
  for (const char c : bytes) {
    stacks.Close(&threads);
    stacks.text += c;
    stacks.Advance(threads, static_cast<uint8_t>(c), &next);
    threads.swap(next);
    if (!threads.empty() && !stacks.overflowed()) continue;
    stacks.Restore(mark);
    return false;
  }
  impl_->threads = std::move(threads);
  return true;
}

bool GrammarMatcher::AcceptToken(TokenId token) {
  const std::string_view bytes = impl_->vocabulary->TokenBytes(token);
  return !bytes.empty() && AcceptBytes(bytes);
}

bool GrammarMatcher::CanEnd() const {
  GrammarStacks& stacks = impl_->stacks;
  const GrammarStacks::Mark mark = stacks.MakeMark();
  GrammarThreads closed = impl_->threads;
  stacks.Close(&closed);
  stacks.Restore(mark);
  return std::any_of(closed.begin(), closed.end(),
                     [](const GrammarThread& thread) { return thread.node == kNoGrammarNode; });
}

bool GrammarMatcher::MustEnd() const {
  GrammarStacks& stacks = impl_->stacks;
  const GrammarStacks::Mark mark = stacks.MakeMark();
  GrammarThreads closed = impl_->threads;
  stacks.Close(&closed);
  const bool can_continue = std::any_of(closed.begin(), closed.end(), [&](const GrammarThread& thread) {
    return thread.node != kNoGrammarNode && stacks.CanContinue(thread);
  });
  stacks.Restore(mark);
  return !can_continue;
}

Status GrammarMatcher::FillMask(TokenBitmask* mask) {
  mask->Clear();
  return FillGrammarMask(impl_->threads, impl_->vocabulary->impl(), &impl_->stacks, mask);
}

Result<GrammarPtr> GrammarFromChoices(std::span<const std::string> choices, const GrammarLimits& limits) {
  if (choices.empty()) return InvalidArgument("there is no choice");
  GrammarBudget budget(limits);
  NfaBuilder nfa;
  const uint32_t end = nfa.NewState();
  nfa.SetLabel(end, 1);
  size_t num_bytes = 0;
  for (const std::string& choice : choices) {
    num_bytes += choice.size();
    if (num_bytes > limits.source_bytes_max) {
      return InvalidArgument("the choices have more than {} bytes", limits.source_bytes_max);
    }
    nfa.AddText(NfaBuilder::kStart, choice, end);
  }
  MIMO_ASSIGN_OR_RETURN(ByteDfa dfa, nfa.Determinize(&budget));
  GrammarBuilder builder(&budget);
  return builder.Finish(builder.Terminal(std::move(dfa)));
}

Result<GrammarPtr> GrammarAfterReasoning(const GrammarPtr& answer, ReasoningStart start) {
  static const auto kUntilEnd = std::make_shared<const GrammarTerminal>(UntilDfa("</think>"));
  static const auto kBegin =
      std::make_shared<const GrammarTerminal>(ConstantRegexDfa("[ \\t\\r\\n]{0,4}<think>"));
  auto program = std::make_unique<GrammarProgram>(answer->program());
  const auto add_terminal = [&](const GrammarTerminalPtr& terminal) {
    program->terminals.push_back(terminal);
    program->nodes.push_back({.kind = GrammarNode::Kind::kTerminal,
                              .index = static_cast<uint32_t>(program->terminals.size() - 1),
                              .height = 0});
    return static_cast<GrammarNodeId>(program->nodes.size() - 1);
  };
  const uint32_t height = program->nodes[program->root].height;
  GrammarNode thought = {.kind = GrammarNode::Kind::kSequence, .height = std::max(1U, height)};
  if (start == ReasoningStart::kModelDecides) thought.children.push_back(add_terminal(kBegin));
  thought.children.push_back(add_terminal(kUntilEnd));
  thought.children.push_back(program->root);
  program->nodes.push_back(std::move(thought));
  const auto thought_id = static_cast<GrammarNodeId>(program->nodes.size() - 1);
  if (start == ReasoningStart::kModelDecides) {
    program->nodes.push_back(
        {.kind = GrammarNode::Kind::kChoice, .height = height, .children = {thought_id, program->root}});
  }
  program->root = static_cast<GrammarNodeId>(program->nodes.size() - 1);
  return std::make_shared<const Grammar>(std::move(program));
}

}  // namespace mimo
