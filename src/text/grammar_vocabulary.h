#pragma once
// Internal to grammars: the trie of a vocabulary, and the masks of terminals that all sequences share.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/grammar.h"
#include "text/grammar_block_trie.h"
#include "text/grammar_program.h"

namespace mimo {

// Nodes in depth-first order, the root first: the subtree of node n is [n, end[n]).
struct TokenTrie {
  std::vector<uint8_t> byte;
  std::vector<uint16_t> depth;
  std::vector<uint32_t> end;
  std::vector<uint32_t> first_token;  // [num_nodes + 1]; node n's tokens: tokens[first_token[n]...)
  std::vector<TokenId> tokens;
  uint16_t depth_max = 0;

  uint32_t num_nodes() const { return static_cast<uint32_t>(byte.size()); }
};

// Which tokens a terminal takes from one of its states, as far as the terminal alone decides.
struct TerminalMask {
  // Tokens that do not leave the terminal. One of the two is used, in a mask that is not counted.
  std::vector<uint64_t> words;  // bit per token
  std::vector<TokenId> tokens;  // when they are few
  // Trie nodes at which the terminal may end. What the longer tokens go on with is the rest's business.
  std::vector<uint32_t> exits;
  // Of a mask that is not counted: the children of exits by their byte, since what follows often begins with
  // few.
  std::vector<uint32_t> children;              // ordered by byte
  std::array<uint32_t, 257> first_child = {};  // of a byte; its children end where the next one's begin

  // Of a counted mask: by the number of code points that must have room. words_up_to[n]: tokens of at most n.
  static constexpr uint32_t kNumCounted = 16;
  std::vector<std::vector<uint64_t>> words_up_to;
  std::vector<std::pair<uint32_t, TokenId>> long_tokens;  // of at least kNumCounted; ascending
  std::vector<uint32_t> exit_counts;                      // of each exit: code points before the closing byte

  size_t bytes() const;
};

struct GrammarVocabulary::Impl {
  explicit Impl(const Tokenizer& tokenizer);

  // The mask of `terminal` in `state`, for what tokens have below the trie's node `top`. Computed at the
  // first call and kept while memory lasts. Where nothing but the end can follow the terminal, exits are not
  // wanted.
  std::shared_ptr<const TerminalMask> MaskOf(const GrammarTerminal& terminal, uint32_t state, uint32_t top,
                                             bool wants_exits);
  // The same, but by code points where the terminal tells them apart. Tokens that end the terminal are not in
  // it, only their nodes in `exits`.
  std::shared_ptr<const TerminalMask> CountedMaskOf(const GrammarTerminal& terminal, uint32_t state);

  uint32_t vocab_size = 0;
  std::vector<uint32_t> bytes_begin;  // [vocab_size + 1] in `bytes`; special tokens have none
  std::string bytes;
  TokenTrie trie;

 private:
  static constexpr size_t kCachedBytesMax = size_t{256} << 20;

  using MaskPtr = std::shared_ptr<const TerminalMask>;
  using BlockTriePtr = std::shared_ptr<const BlockTrie>;
  struct MaskKey {
    uint64_t terminal;
    uint32_t state;
    uint32_t top;
    bool is_counted;
    bool has_exits;

    bool operator==(const MaskKey&) const = default;
  };
  struct KeyHash {
    size_t operator()(const MaskKey& key) const {
      return (key.terminal * 0x9E3779B97F4A7C15U) ^
             ((uint64_t{key.top} << 32 | key.state) * 0xC2B2AE3D27D4EB4FU) ^ (key.is_counted ? 1U : 0U) ^
             (key.has_exits ? 2U : 0U);
    }
  };
  MaskPtr Find(const MaskKey& key);
  // Of a state that another grammar may have, too.
  template <typename Compute>
  MaskPtr Share(const GrammarTerminal& terminal, const MaskKey& key, Compute compute);
  MaskPtr Keep(const MaskKey& key, const std::string& signature, MaskPtr mask);
  TerminalMask WholeMask(const GrammarTerminal& terminal, const MaskKey& key) const;
  // The same by a walk over blocks.
  TerminalMask BlockMask(const GrammarTerminal& terminal, const MaskKey& key, const BlockTrie& blocks,
                         BlockStates* states) const;
  TerminalMask WholeCountedMask(const GrammarTerminal& terminal, uint32_t state) const;
  // The mask of a state from that of another state of the terminal: looks only at texts that tell them apart.
  // If counted, then of a terminal that does not count.
  TerminalMask MaskLike(const GrammarTerminal& terminal, const MaskKey& key, uint32_t model_state,
                        const TerminalMask& model) const;
  // Fills in `children` from `exits`.
  void SortChildren(TerminalMask* mask) const;
  // Null where blocks are of no use.
  BlockTriePtr BlockTrieOf(const ByteBlocks& blocks);

  std::mutex mutex_;  // guards what follows; not held while a mask is computed
  std::unordered_map<MaskKey, MaskPtr, KeyHash> masks_;
  // Grammars make terminals anew that are parts of each other, such as what follows the first letters of a
  // key.
  std::unordered_map<std::string, MaskPtr> masks_by_signature_;
  size_t cached_bytes_ = 0;
  std::map<ByteBlocks, BlockTriePtr> block_tries_;
};

}  // namespace mimo
