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
  size_t sum = sizeof(*this) + 8 * words.size() + 4 * tokens.size() + 4 * exits.size();
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
std::shared_ptr<const TerminalMask> GrammarVocabulary::Impl::Lookup(uint64_t id, uint32_t key,
                                                                    Compute compute) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = masks_.find({id, key});
    if (it != masks_.end()) return it->second;
  }
  auto mask = std::make_shared<const TerminalMask>(compute());
  const std::lock_guard lock(mutex_);
  // Rare, and what is in use comes back at once.
  if (cached_bytes_ > kCachedBytesMax) {
    masks_.clear();
    cached_bytes_ = 0;
  }
  if (masks_.emplace(std::pair(id, key), mask).second) cached_bytes_ += mask->bytes();
  return mask;
}

std::shared_ptr<const TerminalMask> GrammarVocabulary::Impl::MaskOf(const GrammarTerminal& terminal,
                                                                    uint32_t state) {
  return Lookup(2 * terminal.id, state, [&] {
    TerminalMask mask;
    WalkTerminal(trie, terminal, state, [&](uint32_t node, uint32_t to, uint32_t) {
      mask.tokens.insert(mask.tokens.end(), trie.tokens.begin() + trie.first_token[node],
                         trie.tokens.begin() + trie.first_token[node + 1]);
      if (terminal.dfa.label[to] != 0 && trie.end[node] > node + 1) mask.exits.push_back(node);
    });
    if (mask.tokens.size() <= kListedTokensMax) return mask;
    mask.words.assign((size_t{vocab_size} + 63) / 64, 0);
    for (const TokenId token : mask.tokens) SetBit(&mask.words, token);
    mask.tokens = {};
    return mask;
  });
}

std::shared_ptr<const TerminalMask> GrammarVocabulary::Impl::CountedMaskOf(const GrammarTerminal& terminal,
                                                                           uint32_t state) {
  return Lookup(2 * terminal.id + 1, state, [&] {
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
  });
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
