#pragma once
// Internal to grammars: the trie of a vocabulary with those bytes merged that an automaton does not tell
// apart.
//
// A counted repetition such as [^\n]{10,200} has a state for each count, each with a mask that nobody has
// made before. Its states see of most tokens only how long they are, so a walk over blocks of bytes visits a
// hundredth of the trie's nodes.

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/token_id.h"
#include "text/grammar_dfa.h"

namespace mimo {

struct TokenTrie;

// The number of each byte's block.
using ByteBlocks = std::array<uint8_t, 256>;

struct BlockTrie {
  // Null where blocks do not make the trie much smaller.
  static std::shared_ptr<const BlockTrie> Create(const TokenTrie& trie, const ByteBlocks& blocks,
                                                 uint32_t vocab_size);

  uint32_t num_nodes() const { return static_cast<uint32_t>(parent.size()); }
  // Sets the bits of the tokens that end at `node`.
  void AddTokens(uint32_t node, std::vector<uint64_t>* mask) const;

  // Members of a node with one byte.
  struct Run {
    uint8_t byte;
    uint32_t begin;  // in `members`; the run ends where the next one begins
  };

  // Nodes, each behind its parent; the root is 0.
  std::vector<uint32_t> parent;
  std::vector<uint8_t> byte;          // any of its block
  std::vector<uint32_t> first_run;    // [num_nodes + 1]
  std::vector<Run> runs;              // one more than there are
  std::vector<uint32_t> members;      // the trie's nodes that are one node here, by node and byte
  std::vector<uint32_t> first_token;  // [num_nodes + 1]
  std::vector<TokenId> tokens;
  std::vector<std::vector<uint64_t>> words;  // the tokens of a node as bits where they are many

 private:
  void SetMembers(const TokenTrie& trie, const std::vector<uint32_t>& merged_of);
  void SetTokens(const TokenTrie& trie, const std::vector<uint32_t>& merged_of, uint32_t vocab_size);
};

// Blocks whose bytes `state` does not tell apart, nor the states that a word leads to from it. False
// where such a text soon stays in one state, whose mask serves for many others, or where the states tell too
// many bytes apart.
bool FindByteBlocks(const ByteDfa& dfa, uint32_t state, ByteBlocks* blocks);

// Which states of an automaton do not tell apart the bytes of a block.
class BlockStates {
 public:
  BlockStates(const ByteDfa& dfa, const ByteBlocks& blocks);

  bool Respects(uint32_t state);

 private:
  enum class Known : uint8_t { kNothing, kYes, kNo };

  const ByteDfa* dfa_;
  // Classes of the automaton that share a block.
  std::vector<std::pair<uint32_t, uint32_t>> together_;
  std::vector<Known> known_;
};

}  // namespace mimo
