#include "text/grammar_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace mimo {
namespace {

// A smaller share of the vocabulary than one in this many is kept as a list.
constexpr size_t kListedShare = 64;

TokenTrie BuildTrie(const std::vector<std::pair<std::string_view, TokenId>>& sorted) {
  TokenTrie trie;
  trie.byte.push_back(0);
  trie.depth.push_back(0);
  trie.end.push_back(0);
  trie.first_token.push_back(0);
  std::vector<uint32_t> path = {0};  // nodes of the last token
  std::string_view last;
  for (const auto& [bytes, token] : sorted) {
    const size_t common = static_cast<size_t>(
        std::mismatch(bytes.begin(), bytes.end(), last.begin(), last.end()).first - bytes.begin());
    while (path.size() > common + 1) {
      trie.end[path.back()] = trie.num_nodes();
      path.pop_back();
    }
    for (size_t i = common; i < bytes.size(); ++i) {
      path.push_back(trie.num_nodes());
      trie.byte.push_back(static_cast<uint8_t>(bytes[i]));
      trie.depth.push_back(static_cast<uint16_t>(i + 1));
      trie.end.push_back(0);
      trie.first_token.push_back(static_cast<uint32_t>(trie.tokens.size()));
    }
    trie.depth_max = std::max(trie.depth_max, static_cast<uint16_t>(bytes.size()));
    trie.tokens.push_back(token);
    last = bytes;
  }
  for (const uint32_t node : path) trie.end[node] = trie.num_nodes();
  trie.first_token.push_back(static_cast<uint32_t>(trie.tokens.size()));
  return trie;
}

void SetBit(std::vector<uint64_t>* words, TokenId token) {
  (*words)[token / 64] |= uint64_t{1} << (token % 64);
}

void AssignBit(std::vector<uint64_t>* words, TokenId token, bool value) {
  const uint64_t bit = uint64_t{1} << (token % 64);
  uint64_t& word = (*words)[token / 64];
  word = value ? word | bit : word & ~bit;
}

// Everything about a state that a mask depends on, as bytes that two terminals have in common where they have
// the state in common. Empty where the automaton behind the state is large.
std::string SignatureOf(const GrammarTerminal& terminal, uint32_t state) {
  constexpr size_t kStatesMax = 512;
  constexpr uint32_t kUnknown = 0xFFFF;  // of the dead state too
  const ByteDfa& dfa = terminal.dfa;
  if (dfa.num_states() > 16 * kStatesMax) return {};
  std::vector<uint8_t> run_begins;  // of bytes of one class
  for (size_t byte = 0; byte < 256; ++byte) {
    if (byte == 0 || dfa.byte_class[byte] != dfa.byte_class[byte - 1])
      run_begins.push_back(static_cast<uint8_t>(byte));
  }
  std::vector<uint32_t> states = {state};  // by number in the signature
  std::vector<uint32_t> numbers(dfa.num_states(), kUnknown);
  numbers[state] = 0;
  std::string signature;
  const auto append = [&](uint32_t value) {
    signature.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  for (size_t i = 0; i < states.size(); ++i) {
    const uint32_t from = states[i];
    append(dfa.label[from] != 0 ? 1 : 0);
    if (!terminal.is_boundary.empty())
      append(2U * terminal.needed[from] + (terminal.is_boundary[from] ? 1 : 0));
    for (size_t run = 0; run < run_begins.size();) {
      const uint32_t to = dfa.Next(from, run_begins[run]);
      while (++run < run_begins.size() && dfa.Next(from, run_begins[run]) == to) {
      }
      if (to != ByteDfa::kDead && numbers[to] == kUnknown) {
        if (states.size() == kStatesMax) return {};
        numbers[to] = static_cast<uint32_t>(states.size());
        states.push_back(to);
      }
      append((run < run_begins.size() ? run_begins[run] : 256U) << 16 | numbers[to]);
    }
  }
  return signature;
}

// A state that most letters lead to and that they do not leave, such as the middle of a string; kDead if
// there is none, or it is `state` itself.
uint32_t UsualNext(const ByteDfa& dfa, uint32_t state) {
  const uint32_t next = NextByLetters(dfa, state);
  return next != state && NextByLetters(dfa, next) == next ? next : ByteDfa::kDead;
}

// Walks the trie below `top` with a terminal. Calls visit(node, state, count) for every node that the
// terminal reaches, where count is the number of code points begun and still needed.
template <typename Visit>
void WalkTerminal(const TokenTrie& trie, const GrammarTerminal& terminal, uint32_t state, uint32_t top,
                  Visit visit) {
  const ByteDfa& dfa = terminal.dfa;
  const bool is_counted = !terminal.is_boundary.empty();
  const uint32_t end = trie.end[top];
  if (end == top + 1) return;
  std::vector<uint32_t> states(size_t{trie.depth_max} + 1);
  std::vector<uint32_t> counts(is_counted ? size_t{trie.depth_max} + 1 : 0, 0);
  states[trie.depth[top]] = state;
  for (uint32_t node = top + 1; node < end;) {
    const uint16_t depth = trie.depth[node];
    const uint32_t from = states[depth - 1U];
    const uint32_t to = dfa.Next(from, trie.byte[node]);
    if (to == ByteDfa::kDead) {
      node = trie.end[node];
      continue;
    }
    states[depth] = to;
    uint32_t count = 0;
    if (is_counted) {
      const bool counts_one = terminal.is_boundary[from] && dfa.label[to] == 0;
      counts[depth] = counts[depth - 1U] + (counts_one ? 1 : 0);
      count = counts[depth] + terminal.needed[to];
    }
    visit(node, to, count);
    ++node;
  }
}

}  // namespace

size_t TerminalMask::bytes() const {
  size_t sum = sizeof(*this) + 8 * words.size() + 4 * (tokens.size() + exits.size() + children.size());
  for (const std::vector<uint64_t>& each : words_up_to) sum += 8 * each.size();
  return sum + 8 * long_tokens.size() + 4 * exit_counts.size();
}

GrammarVocabulary::Impl::Impl(const Tokenizer& tokenizer) : vocab_size(tokenizer.vocab_size()) {
  bytes_begin.reserve(size_t{vocab_size} + 1);
  for (TokenId token = 0; token < vocab_size; ++token) {
    bytes_begin.push_back(static_cast<uint32_t>(bytes.size()));
    const std::string_view token_bytes = tokenizer.TokenBytes(token);
    // A token of more than 64 KiB could not be counted in 16 bits, and there are none.
    if (!tokenizer.IsSpecial(token) && token_bytes.size() <= UINT16_MAX) bytes += token_bytes;
  }
  bytes_begin.push_back(static_cast<uint32_t>(bytes.size()));
  std::vector<std::pair<std::string_view, TokenId>> sorted;
  sorted.reserve(vocab_size);
  for (TokenId token = 0; token < vocab_size; ++token) {
    const uint32_t begin = bytes_begin[token];
    const uint32_t end = bytes_begin[size_t{token} + 1];
    if (begin != end) sorted.emplace_back(std::string_view(bytes).substr(begin, end - begin), token);
  }
  std::sort(sorted.begin(), sorted.end());
  trie = BuildTrie(sorted);
}

GrammarVocabulary::Impl::MaskPtr GrammarVocabulary::Impl::Find(const MaskKey& key) {
  const std::lock_guard lock(mutex_);
  const auto it = masks_.find(key);
  return it == masks_.end() ? nullptr : it->second;
}

template <typename Compute>
GrammarVocabulary::Impl::MaskPtr GrammarVocabulary::Impl::Share(const GrammarTerminal& terminal,
                                                                const MaskKey& key, Compute compute) {
  std::string signature = SignatureOf(terminal, key.state);
  MaskPtr known;
  if (!signature.empty()) {
    signature += fmt::format("{} {} {}", key.top, key.is_counted, key.has_exits);
    const std::lock_guard lock(mutex_);
    const auto it = masks_by_signature_.find(signature);
    if (it != masks_by_signature_.end()) known = it->second;
  }
  if (known == nullptr) known = std::make_shared<const TerminalMask>(compute());
  return Keep(key, signature, std::move(known));
}

GrammarVocabulary::Impl::MaskPtr GrammarVocabulary::Impl::Keep(const MaskKey& key,
                                                               const std::string& signature, MaskPtr mask) {
  const std::lock_guard lock(mutex_);
  // Rare, and what is in use comes back at once.
  if (cached_bytes_ > kCachedBytesMax) {
    masks_.clear();
    masks_by_signature_.clear();
    cached_bytes_ = 0;
  }
  // A shared mask counts each time: an entry is small, but there may be many.
  if (masks_.emplace(key, mask).second) cached_bytes_ += sizeof(TerminalMask);
  const bool is_new = signature.empty() || masks_by_signature_.emplace(signature, mask).second;
  if (is_new) cached_bytes_ += mask->bytes() + signature.size();
  return mask;
}

std::shared_ptr<const TerminalMask> GrammarVocabulary::Impl::MaskOf(const GrammarTerminal& terminal,
                                                                    uint32_t state, uint32_t top,
                                                                    bool wants_exits) {
  const MaskKey key = {terminal.id, state, top, false, wants_exits};
  if (MaskPtr known = Find(key)) return known;
  ByteBlocks blocks;
  if (top == 0 && FindByteBlocks(terminal.dfa, state, &blocks)) {
    if (const BlockTriePtr block_trie = BlockTrieOf(blocks)) {
      BlockStates states(terminal.dfa, blocks);
      return Keep(key, {}, std::make_shared<TerminalMask>(BlockMask(terminal, key, *block_trie, &states)));
    }
  }
  return Share(terminal, key, [&] {
    const uint32_t model_state = top == 0 ? UsualNext(terminal.dfa, state) : ByteDfa::kDead;
    if (model_state == ByteDfa::kDead) return WholeMask(terminal, key);
    const MaskPtr model = MaskOf(terminal, model_state, top, wants_exits);
    if (model->words.empty()) return WholeMask(terminal, key);
    return MaskLike(terminal, key, model_state, *model);
  });
}

std::shared_ptr<const TerminalMask> GrammarVocabulary::Impl::CountedMaskOf(const GrammarTerminal& terminal,
                                                                           uint32_t state) {
  const MaskKey key = {terminal.id, state, 0, true, true};
  if (MaskPtr known = Find(key)) return known;
  return Share(terminal, key, [&] {
    const uint32_t model_state =
        terminal.is_boundary.empty() ? UsualNext(terminal.dfa, state) : ByteDfa::kDead;
    if (model_state == ByteDfa::kDead) return WholeCountedMask(terminal, state);
    return MaskLike(terminal, key, model_state, *CountedMaskOf(terminal, model_state));
  });
}

GrammarVocabulary::Impl::BlockTriePtr GrammarVocabulary::Impl::BlockTrieOf(const ByteBlocks& blocks) {
  constexpr size_t kBlockTriesMax = 16;  // of a few MB
  {
    const std::lock_guard lock(mutex_);
    const auto it = block_tries_.find(blocks);
    if (it != block_tries_.end()) return it->second;
  }
  BlockTriePtr created = BlockTrie::Create(trie, blocks, vocab_size);
  const std::lock_guard lock(mutex_);
  if (block_tries_.size() >= kBlockTriesMax) block_tries_.clear();
  return block_tries_.emplace(blocks, std::move(created)).first->second;
}

void GrammarVocabulary::Impl::SortChildren(TerminalMask* mask) const {
  std::array<uint32_t, 257>& first = mask->first_child;
  const auto for_each_child = [&](const auto& visit) {
    for (const uint32_t exit : mask->exits) {
      for (uint32_t child = exit + 1; child < trie.end[exit]; child = trie.end[child]) visit(child);
    }
  };
  for_each_child([&](uint32_t child) { ++first[trie.byte[child] + 1U]; });
  std::partial_sum(first.begin(), first.end(), first.begin());
  mask->children.resize(first[256]);
  std::array<uint32_t, 257> next = first;
  for_each_child([&](uint32_t child) { mask->children[next[trie.byte[child]]++] = child; });
}

TerminalMask GrammarVocabulary::Impl::WholeMask(const GrammarTerminal& terminal, const MaskKey& key) const {
  TerminalMask mask;
  WalkTerminal(trie, terminal, key.state, key.top, [&](uint32_t node, uint32_t to, uint32_t) {
    mask.tokens.insert(mask.tokens.end(), trie.tokens.begin() + trie.first_token[node],
                       trie.tokens.begin() + trie.first_token[node + 1]);
    if (key.has_exits && terminal.dfa.label[to] != 0 && trie.end[node] > node + 1) mask.exits.push_back(node);
  });
  SortChildren(&mask);
  if (mask.tokens.size() <= vocab_size / kListedShare) return mask;
  mask.words.assign((size_t{vocab_size} + 63) / 64, 0);
  for (const TokenId token : mask.tokens) SetBit(&mask.words, token);
  mask.tokens = {};
  return mask;
}

// From a state that tells bytes of a block apart the trie's own nodes are followed.
TerminalMask GrammarVocabulary::Impl::BlockMask(const GrammarTerminal& terminal, const MaskKey& key,
                                                const BlockTrie& blocks, BlockStates* states) const {
  const ByteDfa& dfa = terminal.dfa;
  TerminalMask mask;
  mask.words.assign((size_t{vocab_size} + 63) / 64, 0);
  const auto add_exit = [&](uint32_t node, uint32_t state) {
    if (key.has_exits && dfa.label[state] != 0 && trie.end[node] > node + 1) mask.exits.push_back(node);
  };
  const auto add_node = [&](uint32_t node, uint32_t state) {
    for (uint32_t i = trie.first_token[node]; i < trie.first_token[node + 1]; ++i) {
      SetBit(&mask.words, trie.tokens[i]);
    }
    add_exit(node, state);
  };
  const auto add_members = [&](const BlockTrie::Run* run, uint32_t state) {
    for (uint32_t i = run->begin; i < (run + 1)->begin; ++i) {
      add_node(blocks.members[i], state);
      WalkTerminal(trie, terminal, state, blocks.members[i],
                   [&](uint32_t node, uint32_t below, uint32_t) { add_node(node, below); });
    }
  };
  std::vector<uint32_t> reached(blocks.num_nodes(), ByteDfa::kDead);
  reached[0] = key.state;
  for (uint32_t merged = 1; merged < blocks.num_nodes(); ++merged) {
    const uint32_t from = reached[blocks.parent[merged]];
    if (from == ByteDfa::kDead) continue;
    const BlockTrie::Run* const runs = blocks.runs.data() + blocks.first_run[merged];
    const BlockTrie::Run* const runs_end = blocks.runs.data() + blocks.first_run[merged + 1];
    // Bytes may be told apart that no token has here, such as those that begin no code point.
    const uint32_t to = dfa.Next(from, blocks.byte[merged]);
    if (!states->Respects(from) && std::any_of(runs, runs_end, [&](const BlockTrie::Run& run) {
          return dfa.Next(from, run.byte) != to;
        })) {
      for (const BlockTrie::Run* run = runs; run != runs_end; ++run) {
        const uint32_t apart = dfa.Next(from, run->byte);
        if (apart != ByteDfa::kDead) add_members(run, apart);
      }
      continue;
    }
    reached[merged] = to;
    if (to == ByteDfa::kDead) continue;
    blocks.AddTokens(merged, &mask.words);
    if (!key.has_exits || dfa.label[to] == 0) continue;
    for (uint32_t i = runs->begin; i < runs_end->begin; ++i) add_exit(blocks.members[i], to);
  }
  // As the other walk has them: a mask may be the model of another one.
  std::sort(mask.exits.begin(), mask.exits.end());
  SortChildren(&mask);
  return mask;
}

TerminalMask GrammarVocabulary::Impl::WholeCountedMask(const GrammarTerminal& terminal,
                                                       uint32_t state) const {
  TerminalMask mask;
  const uint32_t num_counted = terminal.is_boundary.empty() ? 1 : TerminalMask::kNumCounted;
  mask.words_up_to.assign(num_counted, std::vector<uint64_t>((size_t{vocab_size} + 63) / 64, 0));
  WalkTerminal(trie, terminal, state, 0, [&](uint32_t node, uint32_t to, uint32_t count) {
    if (terminal.dfa.label[to] != 0) {
      mask.exits.push_back(node);
      mask.exit_counts.push_back(count);
      return;
    }
    for (uint32_t i = trie.first_token[node]; i < trie.first_token[node + 1]; ++i) {
      if (count < TerminalMask::kNumCounted) {
        SetBit(&mask.words_up_to[count], trie.tokens[i]);
      } else {
        mask.long_tokens.emplace_back(count, trie.tokens[i]);
      }
    }
  });
  for (uint32_t n = 1; n < num_counted; ++n) {
    for (size_t i = 0; i < mask.words_up_to[n].size(); ++i) {
      mask.words_up_to[n][i] |= mask.words_up_to[n - 1][i];
    }
  }
  std::sort(mask.long_tokens.begin(), mask.long_tokens.end());
  return mask;
}

TerminalMask GrammarVocabulary::Impl::MaskLike(const GrammarTerminal& terminal, const MaskKey& key,
                                               uint32_t model_state, const TerminalMask& model) const {
  const ByteDfa& dfa = terminal.dfa;
  const bool is_counted = key.is_counted;
  TerminalMask mask;
  std::vector<uint64_t> words = is_counted ? model.words_up_to[0] : model.words;
  auto model_exit = model.exits.begin();
  std::vector<std::pair<uint32_t, uint32_t>> states(size_t{trie.depth_max} + 1);
  states[0] = {key.state, model_state};
  for (uint32_t node = 1; node < trie.num_nodes();) {
    const uint16_t depth = trie.depth[node];
    const uint32_t to = dfa.Next(states[depth - 1U].first, trie.byte[node]);
    const uint32_t model_to = dfa.Next(states[depth - 1U].second, trie.byte[node]);
    const uint32_t end = trie.end[node];
    const bool is_exit = key.has_exits && dfa.label[to] != 0 && (is_counted || end > node + 1);
    if (to == model_to) {
      model_exit = std::lower_bound(model_exit, model.exits.end(), node);
      for (; model_exit != model.exits.end() && *model_exit < end; ++model_exit)
        mask.exits.push_back(*model_exit);
      node = end;
      continue;
    }
    // Of a text that is not one, neither are the longer ones.
    const uint32_t known_end = to == ByteDfa::kDead ? end : node + 1;
    const bool is_inside = to != ByteDfa::kDead && !(is_counted && dfa.label[to] != 0);
    for (uint32_t i = trie.first_token[node]; i < trie.first_token[known_end]; ++i) {
      AssignBit(&words, trie.tokens[i], is_inside);
    }
    if (is_exit) mask.exits.push_back(node);
    states[depth] = {to, model_to};
    node = known_end;
  }
  if (is_counted) {
    mask.exit_counts.assign(mask.exits.size(), 0);
    mask.words_up_to.push_back(std::move(words));
  } else {
    mask.words = std::move(words);
    SortChildren(&mask);
  }
  return mask;
}

GrammarVocabulary::GrammarVocabulary(const Tokenizer& tokenizer) : impl_(std::make_unique<Impl>(tokenizer)) {}
GrammarVocabulary::~GrammarVocabulary() = default;

uint32_t GrammarVocabulary::vocab_size() const { return impl_->vocab_size; }

std::string_view GrammarVocabulary::TokenBytes(TokenId token) const {
  if (token >= impl_->vocab_size) return {};
  const uint32_t begin = impl_->bytes_begin[token];
  return std::string_view(impl_->bytes).substr(begin, impl_->bytes_begin[size_t{token} + 1] - begin);
}

}  // namespace mimo
