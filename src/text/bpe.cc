// A piece is looked up whole first: of ordinary text, most pieces are one token. The others are merged best
// pair first: short ones by scanning an array, which is quadratic but faster than any heap at such lengths,
// long ones with a heap over a linked list in O(n log n), so that a million letters without a space cost no
// more each than a thousand. Backtracking over an automaton of all tokens (GitHub's bpe crate) would be
// linear, but its tables are ten times as large and need vocabularies whose ids are in merge order.

#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace mimo {
namespace {

constexpr size_t kScannedPieceMax = 48;  // bytes; measured: the heap wins from about here
constexpr uint32_t kNoRank = ~uint32_t{0};

uint64_t Mix(uint64_t value) {
  value *= 0x9E3779B97F4A7C15u;
  value ^= value >> 32;
  value *= 0xD6E8FEB86659FD93u;
  return value ^ (value >> 32);
}

uint64_t HashBytes(std::string_view bytes) {
  uint64_t hash = bytes.size();
  while (bytes.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    hash = Mix(hash ^ word);
    bytes.remove_prefix(8);
  }
  uint64_t word = 0;
  for (const char c : bytes) word = (word << 8) | static_cast<uint8_t>(c);
  return Mix(hash ^ word);
}

// Slots of a table for `size` entries: at most half full.
size_t NumSlots(size_t size) { return std::bit_ceil(2 * size + 2); }

}  // namespace

BpePairTable::BpePairTable(size_t size)
    : slots_(NumSlots(size), Entry{kEmpty, 0, 0}), mask_(slots_.size() - 1) {}

bool BpePairTable::Insert(const BpeMerge& merge, uint32_t rank) {
  const uint64_t pair = (uint64_t{merge.left} << 32) | merge.right;
  uint64_t slot = Mix(pair) & mask_;
  while (slots_[slot].pair != kEmpty) {
    if (slots_[slot].pair == pair) return false;
    slot = (slot + 1) & mask_;
  }
  slots_[slot] = {pair, rank, merge.joined};
  return true;
}

inline const BpePairTable::Entry* BpePairTable::Find(TokenId left, TokenId right) const {
  const uint64_t pair = (uint64_t{left} << 32) | right;
  for (uint64_t slot = Mix(pair) & mask_;; slot = (slot + 1) & mask_) {
    if (slots_[slot].pair == pair) return &slots_[slot];
    if (slots_[slot].pair == kEmpty) return nullptr;
  }
}

BpeEncoder::BpeEncoder(std::vector<std::string> token_bytes, size_t num_merges)
    : token_bytes_(std::move(token_bytes)), pairs_(num_merges) {}

Result<BpeEncoder> BpeEncoder::Create(std::vector<std::string> token_bytes,
                                      std::span<const BpeMerge> merges) {
  BpeEncoder encoder(std::move(token_bytes), merges.size());
  MIMO_RETURN_IF_ERROR(encoder.IndexTokens());
  MIMO_RETURN_IF_ERROR(encoder.IndexMerges(merges));
  encoder.MarkReachableTokens();
  return encoder;
}

Status BpeEncoder::IndexTokens() {
  slots_.resize(NumSlots(token_bytes_.size()));
  slot_mask_ = slots_.size() - 1;
  for (TokenId token = 0; token < token_bytes_.size(); ++token) {
    const std::string& bytes = token_bytes_[token];
    if (bytes.empty()) continue;
    longest_token_ = std::max(longest_token_, bytes.size());
    const uint64_t hash = HashBytes(bytes);
    uint64_t slot = hash & slot_mask_;
    for (; slots_[slot].token != kNone; slot = (slot + 1) & slot_mask_) {
      const TokenId other = slots_[slot].token;
      if (token_bytes_[other] == bytes)
        return InvalidArgument("vocabulary: tokens {} and {} are the same", other, token);
    }
    slots_[slot] = {static_cast<uint32_t>(hash >> 32), token, false};
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_tokens_[byte] = Find({&c, 1});
    if (byte_tokens_[byte] == kNone) {
      return InvalidArgument("vocabulary: byte 0x{:02x} has no token, so this is no byte-level vocabulary",
                             byte);
    }
  }
  return {};
}

Status BpeEncoder::IndexMerges(std::span<const BpeMerge> merges) {
  for (size_t i = 0; i < merges.size(); ++i) {
    const BpeMerge& merge = merges[i];
    const size_t size = token_bytes_.size();
    if (merge.left >= size || merge.right >= size || merge.joined >= size) {
      return InvalidArgument("merge {}: names a token outside the vocabulary", i);
    }
    // Both parts are shorter than the whole, so there are no cycles.
    const std::string& left = token_bytes_[merge.left];
    const std::string& right = token_bytes_[merge.right];
    if (left.empty() || right.empty() || token_bytes_[merge.joined] != left + right) {
      return InvalidArgument("merge {}: its tokens {} and {} do not join to token {}", i, merge.left,
                             merge.right, merge.joined);
    }
    if (!pairs_.Insert(merge, static_cast<uint32_t>(i))) {
      return InvalidArgument("merge {}: the pair of tokens {} and {} is there twice", i, merge.left,
                             merge.right);
    }
  }
  return {};
}

void BpeEncoder::MarkReachableTokens() {
  Scratch scratch;
  std::vector<TokenId> tokens;
  for (TokenSlot& slot : slots_) {
    if (slot.token == kNone) continue;
    tokens.clear();
    Encode(token_bytes_[slot.token], scratch, tokens);
    slot.reachable = tokens.size() == 1;
  }
}

const BpeEncoder::TokenSlot* BpeEncoder::FindSlot(std::string_view bytes) const {
  if (bytes.empty() || bytes.size() > longest_token_) return nullptr;
  const uint64_t hash = HashBytes(bytes);
  const auto high = static_cast<uint32_t>(hash >> 32);
  for (uint64_t slot = hash & slot_mask_;; slot = (slot + 1) & slot_mask_) {
    const TokenSlot& candidate = slots_[slot];
    if (candidate.token == kNone) return nullptr;
    if (candidate.hash == high && token_bytes_[candidate.token] == bytes) return &candidate;
  }
}

TokenId BpeEncoder::Find(std::string_view bytes) const {
  const TokenSlot* slot = FindSlot(bytes);
  return slot == nullptr ? kNone : slot->token;
}

void BpeEncoder::Encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const {
  if (const TokenSlot* slot = FindSlot(piece); slot != nullptr && slot->reachable) {
    out.push_back(slot->token);
  } else if (piece.size() <= kScannedPieceMax) {
    EncodeByScanning(piece, scratch, out);
  } else {
    EncodeByHeap(piece, scratch, out);
  }
}

void BpeEncoder::EncodeByScanning(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const {
  std::vector<TokenId>& tokens = scratch.tokens_;
  // merges[i] joins tokens[i] and tokens[i + 1].
  std::vector<const BpePairTable::Entry*>& merges = scratch.merges_;
  tokens.clear();
  merges.clear();
  for (const char c : piece) tokens.push_back(byte_tokens_[static_cast<uint8_t>(c)]);
  for (size_t i = 0; i + 1 < tokens.size(); ++i) merges.push_back(pairs_.Find(tokens[i], tokens[i + 1]));
  while (true) {
    uint32_t best_rank = kNoRank;
    size_t best = 0;
    for (size_t i = 0; i < merges.size(); ++i) {
      if (merges[i] != nullptr && merges[i]->rank < best_rank) {
        best_rank = merges[i]->rank;
        best = i;
      }
    }
    if (best_rank == kNoRank) break;
    const auto offset = static_cast<std::ptrdiff_t>(best);
    tokens[best] = merges[best]->joined;
    tokens.erase(tokens.begin() + offset + 1);
    merges.erase(merges.begin() + offset);
    if (best > 0) merges[best - 1] = pairs_.Find(tokens[best - 1], tokens[best]);
    if (best < merges.size()) merges[best] = pairs_.Find(tokens[best], tokens[best + 1]);
  }
  out.insert(out.end(), tokens.begin(), tokens.end());
}

namespace {

// Makes the standard heap functions put the lowest rank, then the leftmost pair, on top.
template <typename Candidate>
bool ComesLater(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}

}  // namespace

void BpeEncoder::PushCandidate(int32_t left, Scratch& scratch) const {
  if (left < 0) return;
  const Scratch::Node& node = scratch.nodes_[static_cast<size_t>(left)];
  if (node.next < 0) return;
  const TokenId right_token = scratch.nodes_[static_cast<size_t>(node.next)].token;
  const BpePairTable::Entry* merge = pairs_.Find(node.token, right_token);
  if (merge == nullptr) return;
  scratch.heap_.push_back({merge->rank, left, node.token, right_token, merge->joined});
  std::push_heap(scratch.heap_.begin(), scratch.heap_.end(), ComesLater<Scratch::Candidate>);
}

void BpeEncoder::EncodeByHeap(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const {
  // Node indices are 32 bits to keep the list small; what comes in one piece beyond that is encoded in parts.
  constexpr size_t kHeapPieceMax = size_t{1} << 30;
  if (piece.size() > kHeapPieceMax) {
    EncodeByHeap(piece.substr(0, kHeapPieceMax), scratch, out);
    return Encode(piece.substr(kHeapPieceMax), scratch, out);
  }
  std::vector<Scratch::Node>& nodes = scratch.nodes_;
  const auto size = static_cast<int32_t>(piece.size());
  nodes.clear();
  scratch.heap_.clear();
  for (int32_t i = 0; i < size; ++i) {
    const auto byte = static_cast<uint8_t>(piece[static_cast<size_t>(i)]);
    nodes.push_back({byte_tokens_[byte], i - 1, i + 1 < size ? i + 1 : -1});
  }
  for (int32_t i = 0; i + 1 < size; ++i) PushCandidate(i, scratch);
  while (!scratch.heap_.empty()) {
    std::pop_heap(scratch.heap_.begin(), scratch.heap_.end(), ComesLater<Scratch::Candidate>);
    const Scratch::Candidate candidate = scratch.heap_.back();
    scratch.heap_.pop_back();
    Scratch::Node& left = nodes[static_cast<size_t>(candidate.left)];
    // A candidate is stale when another merge has taken one of its two tokens. An absorbed node keeps kNone.
    if (left.token != candidate.left_token || left.next < 0) continue;
    Scratch::Node& right = nodes[static_cast<size_t>(left.next)];
    if (right.token != candidate.right_token) continue;
    left.token = candidate.joined;
    right.token = kNone;
    left.next = right.next;
    if (left.next >= 0) nodes[static_cast<size_t>(left.next)].previous = candidate.left;
    PushCandidate(left.previous, scratch);
    PushCandidate(candidate.left, scratch);
  }
  for (int32_t i = 0; i >= 0; i = nodes[static_cast<size_t>(i)].next) {
    out.push_back(nodes[static_cast<size_t>(i)].token);
  }
}

}  // namespace mimo
