#include "text/grammar_vocabulary.h"

#include <algorithm>
#include <numeric>

namespace mimo {
namespace {

// Fewer tokens than this are kept as a list.
constexpr size_t kListedTokensMax = 2048;

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
std::string SignatureOf(const GrammarTerminal& terminal, uint32_t state, bool is_counted) {
  constexpr size_t kStatesMax = 512;
  constexpr uint32_t kUnknown = 0xFFFF;  // of the dead state too
  const ByteDfa& dfa = terminal.dfa;
  if (dfa.num_states() > 16 * kStatesMax) return {};
  std::vector<uint32_t> states = {state};  // by number in the signature
  std::vector<uint32_t> numbers(dfa.num_states(), kUnknown);
  numbers[state] = 0;
  std::string signature(1, is_counted ? 'c' : 'p');
  const auto append = [&](uint32_t value) {
    signature.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  for (size_t i = 0; i < states.size(); ++i) {
    const uint32_t from = states[i];
    append(dfa.label[from] != 0 ? 1 : 0);
    if (!terminal.is_boundary.empty())
      append(2U * terminal.needed[from] + (terminal.is_boundary[from] ? 1 : 0));
    for (uint32_t byte = 0, last = 0; byte < 256; byte = last) {
      const uint32_t to = dfa.Next(from, static_cast<uint8_t>(byte));
      last = byte + 1;
      while (last < 256 && dfa.Next(from, static_cast<uint8_t>(last)) == to) ++last;
      if (to != ByteDfa::kDead && numbers[to] == kUnknown) {
        if (states.size() == kStatesMax) return {};
        numbers[to] = static_cast<uint32_t>(states.size());
        states.push_back(to);
      }
      append(last << 16 | numbers[to]);
    }
  }
  return signature;
}

// A state that most letters lead to and that they do not leave, such as the middle of a string; kDead if
// there is none, or it is `state` itself.
uint32_t UsualNext(const ByteDfa& dfa, uint32_t state) {
  const auto most_common = [&](uint32_t from) {
    uint32_t found = dfa.Next(from, 'a');
    int surplus = 0;
    for (uint8_t letter = 'a'; letter <= 'z'; ++letter) {
      const uint32_t to = dfa.Next(from, letter);
      surplus += to == found ? 1 : -1;
      if (surplus < 0) found = to, surplus = 1;
    }
    return found;
  };
  const uint32_t next = most_common(state);
  return next != state && most_common(next) == next ? next : ByteDfa::kDead;
}

// Walks the trie with a terminal. Calls visit(node, state, count) for every node that the terminal reaches,
// where count is the number of code
// points begun and still needed.
template <typename Visit>
void WalkTerminal(const TokenTrie& trie, const GrammarTerminal& terminal, uint32_t state, Visit visit) {
  const ByteDfa& dfa = terminal.dfa;
  const bool is_counted = !terminal.is_boundary.empty();
  std::vector<uint32_t> states(size_t{trie.depth_max} + 1);
  std::vector<uint32_t> counts(size_t{trie.depth_max} + 1, 0);
  states[0] = state;
  const uint32_t num_nodes = trie.num_nodes();
  for (uint32_t node = 1; node < num_nodes;) {
    const uint16_t depth = trie.depth[node];
    const uint32_t from = states[depth - 1U];
    const uint32_t to = dfa.Next(from, trie.byte[node]);
    if (to == ByteDfa::kDead) {
      node = trie.end[node];
      continue;
    }
    states[depth] = to;
    const bool counts_one = is_counted && terminal.is_boundary[from] && dfa.label[to] == 0;
    counts[depth] = counts[depth - 1U] + (counts_one ? 1 : 0);
    visit(node, to, counts[depth] + (is_counted ? terminal.needed[to] : 0U));
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

template <typename Compute>
GrammarVocabulary::Impl::MaskPtr GrammarVocabulary::Impl::Lookup(const GrammarTerminal& terminal,
                                                                 uint32_t state, bool is_counted,
                                                                 Compute compute) {
  const uint64_t id = 2 * terminal.id + (is_counted ? 1 : 0);
  {
    const std::lock_guard lock(mutex_);
    const auto it = masks_.find({id, state});
    if (it != masks_.end()) return it->second;
  }
  const std::string signature = SignatureOf(terminal, state, is_counted);
  MaskPtr known;
  if (!signature.empty()) {
    const std::lock_guard lock(mutex_);
    const auto it = masks_by_signature_.find(signature);
    if (it != masks_by_signature_.end()) known = it->second;
  }
  if (known == nullptr) known = std::make_shared<const TerminalMask>(compute());
  return Keep(id, state, signature, std::move(known));
}

GrammarVocabulary::Impl::MaskPtr GrammarVocabulary::Impl::Keep(uint64_t id, uint32_t state,
                                                               const std::string& signature, MaskPtr mask) {
  const std::lock_guard lock(mutex_);
  // Rare, and what is in use comes back at once.
  if (cached_bytes_ > kCachedBytesMax) {
    masks_.clear();
    masks_by_signature_.clear();
    cached_bytes_ = 0;
  }
  // A shared mask counts each time: an entry is small, but there may be many.
  if (masks_.emplace(std::pair(id, state), mask).second) cached_bytes_ += sizeof(TerminalMask);
  const bool is_new = signature.empty() || masks_by_signature_.emplace(signature, mask).second;
  if (is_new) cached_bytes_ += mask->bytes() + signature.size();
  return mask;
}

std::shared_ptr<const TerminalMask> GrammarVocabulary::Impl::MaskOf(const GrammarTerminal& terminal,
                                                                    uint32_t state) {
  return Lookup(terminal, state, false, [&] {
    const uint32_t model_state = UsualNext(terminal.dfa, state);
    if (model_state == ByteDfa::kDead) return WholeMask(terminal, state);
    const MaskPtr model = MaskOf(terminal, model_state);
    if (model->words.empty()) return WholeMask(terminal, state);
    return MaskLike(terminal, state, model_state, *model, false);
  });
}

std::shared_ptr<const TerminalMask> GrammarVocabulary::Impl::CountedMaskOf(const GrammarTerminal& terminal,
                                                                           uint32_t state) {
  return Lookup(terminal, state, true, [&] {
    const uint32_t model_state =
        terminal.is_boundary.empty() ? UsualNext(terminal.dfa, state) : ByteDfa::kDead;
    if (model_state == ByteDfa::kDead) return WholeCountedMask(terminal, state);
    return MaskLike(terminal, state, model_state, *CountedMaskOf(terminal, model_state), true);
  });
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

TerminalMask GrammarVocabulary::Impl::WholeMask(const GrammarTerminal& terminal, uint32_t state) const {
  TerminalMask mask;
  WalkTerminal(trie, terminal, state, [&](uint32_t node, uint32_t to, uint32_t) {
    mask.tokens.insert(mask.tokens.end(), trie.tokens.begin() + trie.first_token[node],
                       trie.tokens.begin() + trie.first_token[node + 1]);
    if (terminal.dfa.label[to] != 0 && trie.end[node] > node + 1) mask.exits.push_back(node);
  });
  SortChildren(&mask);
  if (mask.tokens.size() <= kListedTokensMax) return mask;
  mask.words.assign((size_t{vocab_size} + 63) / 64, 0);
  for (const TokenId token : mask.tokens) SetBit(&mask.words, token);
  mask.tokens = {};
  return mask;
}

TerminalMask GrammarVocabulary::Impl::WholeCountedMask(const GrammarTerminal& terminal,
                                                       uint32_t state) const {
  TerminalMask mask;
  const uint32_t num_counted = terminal.is_boundary.empty() ? 1 : TerminalMask::kNumCounted;
  mask.words_up_to.assign(num_counted, std::vector<uint64_t>((size_t{vocab_size} + 63) / 64, 0));
  WalkTerminal(trie, terminal, state, [&](uint32_t node, uint32_t to, uint32_t count) {
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

TerminalMask GrammarVocabulary::Impl::MaskLike(const GrammarTerminal& terminal, uint32_t state,
                                               uint32_t model_state, const TerminalMask& model,
                                               bool is_counted) const {
  const ByteDfa& dfa = terminal.dfa;
  TerminalMask mask;
  std::vector<uint64_t> words = is_counted ? model.words_up_to[0] : model.words;
  auto model_exit = model.exits.begin();
  std::vector<std::pair<uint32_t, uint32_t>> states(size_t{trie.depth_max} + 1);
  states[0] = {state, model_state};
  for (uint32_t node = 1; node < trie.num_nodes();) {
    const uint16_t depth = trie.depth[node];
    const uint32_t to = dfa.Next(states[depth - 1U].first, trie.byte[node]);
    const uint32_t model_to = dfa.Next(states[depth - 1U].second, trie.byte[node]);
    const uint32_t end = trie.end[node];
    const bool is_exit = dfa.label[to] != 0 && (is_counted || end > node + 1);
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
