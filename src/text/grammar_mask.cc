// Three ways to the tokens of a thread, cheapest first:
//   - tokens that stay inside its terminal: one lookup, shared by all sequences and grammars
//   - tokens that leave it: the lookup lists the trie nodes where that may happen; from there the trie is
//   walked
//     with the threads that follow, which rejects nearly all at the first byte
//   - keys of which finitely many are left: the trie is walked from its root; the keys are few and so are the
//     nodes

#include "text/grammar_mask.h"

#include <algorithm>

namespace mimo {
namespace {

constexpr uint64_t kWorkMax = 4'000'000;
// From this many nodes on it pays to follow each terminal alone.
constexpr uint32_t kManyNodes = 64;

class MaskFiller {
 public:
  MaskFiller(GrammarVocabulary::Impl& vocabulary, GrammarStacks* stacks, TokenBitmask* mask)
      : vocabulary_(vocabulary),
        trie_(vocabulary.trie),
        stacks_(*stacks),
        mask_(*mask),
        mark_(stacks->MakeMark()),
        path_(size_t{trie_.depth_max} + 1) {}

  void AddThread(const GrammarThread& thread, GrammarNode::Kind kind, uint32_t max) {
    const GrammarTerminal& terminal = stacks_.TerminalOf(thread);
    if (kind == GrammarNode::Kind::kObject) {
      if (stacks_.HasFiniteKeys(thread)) return WalkAll(thread);
      return AddKey(thread, *vocabulary_.CountedMaskOf(terminal, thread.state));
    }
    if (kind == GrammarNode::Kind::kString) {
      if (stacks_.StringIsTight(thread, trie_.depth_max)) return WalkAll(thread);
      return AddString(thread, *vocabulary_.CountedMaskOf(terminal, thread.state), max);
    }
    AddTerminal(thread, 0);
  }

 private:
  static bool IsOnlyEnd(const GrammarThreads& threads) {
    for (const GrammarThread& thread : threads) {
      if (thread.node != kNoGrammarNode) return false;
    }
    return true;
  }

  void AddWords(const std::vector<uint64_t>& words) {
    const std::span<uint64_t> mine = mask_.words();
    for (size_t i = 0; i < words.size(); ++i) mine[i] |= words[i];
  }

  void AddTokensOf(uint32_t node) {
    for (uint32_t i = trie_.first_token[node]; i < trie_.first_token[node + 1]; ++i) {
      mask_.Set(trie_.tokens[i]);
    }
  }

  // Inside a string whose code points are counted.
  void AddString(const GrammarThread& thread, const TerminalMask& counted, uint32_t max) {
    const uint32_t room = max == kUnbounded ? kUnbounded : max - thread.count;
    AddWords(counted.words_up_to[std::min(room, TerminalMask::kNumCounted - 1)]);
    for (const auto& [count, token] : counted.long_tokens) {
      if (count > room) break;
      mask_.Set(token);
    }
    // Where the string ends does not change what follows it.
    bool has_followers = false;
    for (size_t i = 0; i < counted.exits.size(); ++i) {
      if (counted.exit_counts[i] > room || !stacks_.StringMayEnd(thread, counted.exit_counts[i])) continue;
      AddTokensOf(counted.exits[i]);
      if (!has_followers) {
        stacks_.AfterTerminal(thread, &path_[0]);
        has_followers = true;
      }
      WalkSubtree(counted.exits[i]);
    }
  }

  // Inside a key that may have any name but those the object has.
  void AddKey(const GrammarThread& thread, const TerminalMask& counted) {
    AddWords(counted.words_up_to[0]);
    for (const uint32_t node : counted.exits) {
      const std::string_view bytes = BytesOf(node);
      GrammarThread ended = thread;
      bool is_taken = true;
      for (const char c : bytes) {
        stacks_.text += c;
        is_taken = is_taken && stacks_.AdvanceThread(static_cast<uint8_t>(c), &ended);
      }
      if (is_taken) {
        AddTokensOf(node);
        if (trie_.end[node] > node + 1 && stacks_.Accepts(ended)) {
          stacks_.AfterTerminal(ended, &path_[0]);
          WalkSubtree(node);
        }
      }
      stacks_.Restore(mark_);
    }
  }

  // What can follow path_[0] is the same behind every exit.
  void WalkChildren(const TerminalMask& inside) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t begin = inside.first_child[byte];
      const uint32_t end = inside.first_child[byte + 1];
      if (begin == end || stacks_.work() >= kWorkMax) continue;
      stacks_.text += static_cast<char>(byte);
      stacks_.Advance(path_[0], static_cast<uint8_t>(byte), &path_[1]);
      if (!path_[1].empty()) {
        stacks_.Close(&path_[1]);
        for (uint32_t i = begin; i < end; ++i) {
          AddTokensOf(inside.children[i]);
          WalkSubtree(inside.children[i], 1);
        }
      }
      stacks_.text.pop_back();
    }
  }

  // A node's bytes are the beginning of its first token's.
  std::string_view BytesOf(uint32_t node) const {
    const TokenId token = trie_.tokens[trie_.first_token[node]];
    return std::string_view(vocabulary_.bytes).substr(vocabulary_.bytes_begin[token], trie_.depth[node]);
  }

  void WalkAll(const GrammarThread& thread) {
    path_[0] = {thread};
    WalkSubtree(0);
  }

  bool AreTerminals(const GrammarThreads& threads) const {
    return std::all_of(threads.begin(), threads.end(), [&](const GrammarThread& thread) {
      return thread.node == kNoGrammarNode ||
             stacks_.program().nodes[thread.node].kind == GrammarNode::Kind::kTerminal;
    });
  }

  // Adds the tokens below `top` that one thread, at a terminal, can take: first those inside the terminal, as
  // far as its automaton goes, then those that leave it. Changes path_.
  void AddTerminal(const GrammarThread& thread, uint32_t top) {
    // The end is all that follows what stands at the bottom.
    const bool wants_exits = thread.parent != 0;
    const std::shared_ptr<const TerminalMask> inside =
        vocabulary_.MaskOf(stacks_.TerminalOf(thread), thread.state, top, wants_exits);
    AddWords(inside->words);
    for (const TokenId token : inside->tokens) mask_.Set(token);
    stacks_.AddWork(inside->tokens.size() + inside->words.size() / 16);
    if (inside->children.empty()) return;
    stacks_.AfterTerminal(thread, &path_[0]);
    if (!IsOnlyEnd(path_[0])) WalkChildren(*inside);
  }

  // Adds the tokens below `top` that path_[level], closed, can take. Keeps the text in step: keys are ranges
  // of it.
  void WalkSubtree(uint32_t top, uint32_t level = 0) {
    const size_t text_size = stacks_.text.size();
    const uint32_t end = trie_.end[top];
    if (end - top > kManyNodes && AreTerminals(path_[level])) {
      std::vector<GrammarThreads> outer_path(path_.size());
      outer_path.swap(path_);
      for (const GrammarThread& thread : outer_path[level]) {
        if (thread.node != kNoGrammarNode) AddTerminal(thread, top);
      }
      outer_path.swap(path_);
      return;
    }
    for (uint32_t node = top + 1; node < end && stacks_.work() < kWorkMax;) {
      const uint32_t depth = trie_.depth[node] - trie_.depth[top] + level;
      stacks_.text.resize(text_size + depth - level - 1);
      stacks_.text += static_cast<char>(trie_.byte[node]);
      stacks_.Advance(path_[depth - 1], trie_.byte[node], &path_[depth]);
      if (path_[depth].empty()) {
        node = trie_.end[node];
        continue;
      }
      AddTokensOf(node);
      if (trie_.end[node] > node + 1) stacks_.Close(&path_[depth]);
      ++node;
    }
    stacks_.text.resize(text_size);
  }

  GrammarVocabulary::Impl& vocabulary_;
  const TokenTrie& trie_;
  GrammarStacks& stacks_;
  TokenBitmask& mask_;
  const GrammarStacks::Mark mark_;
  std::vector<GrammarThreads> path_;  // by number of bytes since path_[0]; closed
};

}  // namespace

Status FillGrammarMask(const GrammarThreads& threads, GrammarVocabulary::Impl& vocabulary,
                       GrammarStacks* stacks, TokenBitmask* mask) {
  stacks->ResetWork();
  stacks->LimitWork(kWorkMax);
  const GrammarStacks::Mark mark = stacks->MakeMark();
  GrammarThreads closed = threads;
  stacks->Close(&closed);
  MaskFiller filler(vocabulary, stacks, mask);
  for (const GrammarThread& thread : closed) {
    if (thread.node == kNoGrammarNode) continue;
    const GrammarNode& node = stacks->program().nodes[thread.node];
    filler.AddThread(thread, node.kind, node.max);
  }
  stacks->Restore(mark);
  const bool is_too_much = stacks->overflowed() || stacks->work() >= kWorkMax;
  stacks->LimitWork(UINT64_MAX);
  if (is_too_much) {
    return InvalidArgument("the grammar is too ambiguous: too many alternatives at one place of the text");
  }
  return {};
}

}  // namespace mimo
