#include "text/grammar_block_trie.h"

#include <algorithm>
#include <numeric>

#include "text/grammar_vocabulary.h"

namespace mimo {
namespace {

constexpr uint32_t kBlocksMax = 16;
constexpr uint32_t kBlockNodesMax = 1U << 14;
// A larger share of the vocabulary than one in this many is kept as bits, too.
constexpr uint32_t kManyShare = 200;

uint32_t NumBlocks(const ByteBlocks& blocks) { return *std::max_element(blocks.begin(), blocks.end()) + 1U; }

// Splits the blocks until their bytes lead `state` to one place each.
void Split(const ByteDfa& dfa, uint32_t state, ByteBlocks* blocks) {
  std::vector<std::pair<uint32_t, uint32_t>> seen;  // block and next state; its index is the new block
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const std::pair<uint32_t, uint32_t> both((*blocks)[byte], dfa.Next(state, static_cast<uint8_t>(byte)));
    const auto it = std::find(seen.begin(), seen.end(), both);
    (*blocks)[byte] = static_cast<uint8_t>(it - seen.begin());
    if (it == seen.end()) seen.push_back(both);
  }
}

// The node of each of the trie's nodes; false when they are too many.
bool MergeNodes(const TokenTrie& trie, const ByteBlocks& blocks, BlockTrie* merged,
                std::vector<uint32_t>* merged_of) {
  const uint32_t num_blocks = NumBlocks(blocks);
  std::vector<uint32_t> children(num_blocks, 0);  // [num_nodes, num_blocks]; 0: none yet
  std::vector<uint32_t> path(size_t{trie.depth_max} + 1, 0);
  merged->parent.push_back(0);
  merged->byte.push_back(0);
  merged_of->assign(trie.num_nodes(), 0);
  for (uint32_t node = 1; node < trie.num_nodes(); ++node) {
    const uint16_t depth = trie.depth[node];
    const uint32_t parent = path[depth - 1U];
    uint32_t& child = children[size_t{parent} * num_blocks + blocks[trie.byte[node]]];
    path[depth] = child;
    if (child == 0) {
      path[depth] = child = merged->num_nodes();
      if (child == kBlockNodesMax) return false;
      merged->parent.push_back(parent);
      merged->byte.push_back(trie.byte[node]);
      children.resize(children.size() + num_blocks, 0);
    }
    (*merged_of)[node] = path[depth];
  }
  return true;
}

}  // namespace

std::shared_ptr<const BlockTrie> BlockTrie::Create(const TokenTrie& trie, const ByteBlocks& blocks,
                                                   uint32_t vocab_size) {
  auto merged = std::make_shared<BlockTrie>();
  std::vector<uint32_t> merged_of;
  if (!MergeNodes(trie, blocks, merged.get(), &merged_of)) return nullptr;
  merged->SetMembers(trie, merged_of);
  merged->SetTokens(trie, merged_of, vocab_size);
  return merged;
}

// Sorted by byte and then, without changing that order, by node.
void BlockTrie::SetMembers(const TokenTrie& trie, const std::vector<uint32_t>& merged_of) {
  const auto sort = [&](const std::vector<uint32_t>& nodes, size_t num_keys, const auto& key_of) {
    std::vector<uint32_t> first(num_keys + 1, 0);
    for (const uint32_t node : nodes) ++first[key_of(node) + 1];
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<uint32_t> sorted(nodes.size());
    for (const uint32_t node : nodes) sorted[first[key_of(node)]++] = node;
    return sorted;
  };
  members.resize(trie.num_nodes());
  std::iota(members.begin(), members.end(), 0U);
  members = sort(members, 256, [&](uint32_t node) { return size_t{trie.byte[node]}; });
  members = sort(members, num_nodes(), [&](uint32_t node) { return size_t{merged_of[node]}; });
  for (uint32_t i = 0; i < members.size(); ++i) {
    const uint32_t node = merged_of[members[i]];
    const uint8_t member_byte = trie.byte[members[i]];
    const bool is_new_node = node == first_run.size();
    if (is_new_node) first_run.push_back(static_cast<uint32_t>(runs.size()));
    if (is_new_node || runs.back().byte != member_byte) runs.push_back({member_byte, i});
  }
  first_run.push_back(static_cast<uint32_t>(runs.size()));
  runs.push_back({0, static_cast<uint32_t>(members.size())});
}

void BlockTrie::SetTokens(const TokenTrie& trie, const std::vector<uint32_t>& merged_of,
                          uint32_t vocab_size) {
  first_token.assign(size_t{num_nodes()} + 1, 0);
  for (uint32_t node = 0; node < trie.num_nodes(); ++node) {
    first_token[merged_of[node] + 1] += trie.first_token[node + 1] - trie.first_token[node];
  }
  std::partial_sum(first_token.begin(), first_token.end(), first_token.begin());
  tokens.resize(trie.tokens.size());
  std::vector<uint32_t> next = first_token;
  for (uint32_t node = 0; node < trie.num_nodes(); ++node) {
    for (uint32_t i = trie.first_token[node]; i < trie.first_token[node + 1]; ++i) {
      tokens[next[merged_of[node]]++] = trie.tokens[i];
    }
  }
  words.resize(num_nodes());
  for (uint32_t node = 0; node < num_nodes(); ++node) {
    if (first_token[node + 1] - first_token[node] <= vocab_size / kManyShare) continue;
    std::vector<uint64_t> many((size_t{vocab_size} + 63) / 64, 0);
    AddTokens(node, &many);
    words[node] = std::move(many);
  }
}

void BlockTrie::AddTokens(uint32_t node, std::vector<uint64_t>* mask) const {
  const std::vector<uint64_t>& many = words[node];
  for (size_t i = 0; i < many.size(); ++i) (*mask)[i] |= many[i];
  if (!many.empty()) return;
  for (uint32_t i = first_token[node]; i < first_token[node + 1]; ++i) {
    (*mask)[tokens[i] / 64] |= uint64_t{1} << (tokens[i] % 64);
  }
}

bool FindByteBlocks(const ByteDfa& dfa, uint32_t state, ByteBlocks* blocks) {
  constexpr uint32_t kFewStates = 8;
  constexpr uint32_t kStepsMax = 32;  // hardly a word among the tokens is longer
  uint32_t at = state;
  // Many words begin with a space or a capital.
  for (const char before : {' ', 'A'}) {
    if (NextByLetters(dfa, at) == ByteDfa::kDead) at = dfa.Next(state, static_cast<uint8_t>(before));
  }
  const uint32_t first = NextByLetters(dfa, at);
  if (first == ByteDfa::kDead || first == at) return false;
  // Bytes that only go on with a code point lead most states nowhere, as those do that UTF-8 does not have.
  for (uint32_t byte = 0; byte < 256; ++byte) (*blocks)[byte] = byte >= 0x80 && byte < 0xC0 ? 1 : 0;
  Split(dfa, state, blocks);
  BlockStates states(dfa, *blocks);
  for (uint32_t step = 0; step < kStepsMax; ++step) {
    if (!states.Respects(at)) {
      Split(dfa, at, blocks);
      if (NumBlocks(*blocks) > kBlocksMax) return false;
      states = BlockStates(dfa, *blocks);
    }
    const uint32_t next = NextByLetters(dfa, at);
    if (next == at) return step >= kFewStates;
    if (next == state || next == ByteDfa::kDead) return step > 0;
    at = next;
  }
  return true;
}

BlockStates::BlockStates(const ByteDfa& dfa, const ByteBlocks& blocks)
    : dfa_(&dfa), known_(dfa.num_states(), Known::kNothing) {
  std::vector<uint32_t> first_class(NumBlocks(blocks), dfa.num_classes);
  for (size_t byte = 0; byte < 256; ++byte) {
    const uint32_t byte_class = dfa.byte_class[byte];
    uint32_t& first = first_class[blocks[byte]];
    if (first == dfa.num_classes) first = byte_class;
    const std::pair<uint32_t, uint32_t> both(first, byte_class);
    if (first != byte_class && std::find(together_.begin(), together_.end(), both) == together_.end()) {
      together_.push_back(both);
    }
  }
}

bool BlockStates::Respects(uint32_t state) {
  Known& known = known_[state];
  if (known == Known::kNothing) {
    const uint32_t* row = dfa_->next.data() + size_t{state} * dfa_->num_classes;
    const bool respects = std::all_of(together_.begin(), together_.end(), [&](const auto& classes) {
      return row[classes.first] == row[classes.second];
    });
    known = respects ? Known::kYes : Known::kNo;
  }
  return known == Known::kYes;
}

}  // namespace mimo
