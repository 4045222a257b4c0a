#pragma once
// Byte pair encoding: pieces of bytes -> token ids, by ranked merges.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"

namespace mimo {

struct BpeMerge {
  TokenId left;
  TokenId right;
  TokenId joined;
};

// Fixed-size open-addressing map, built once; several times faster to probe than the standard library's.
class BpePairTable {
 public:
  struct Entry {
    uint64_t pair;  // left << 32 | right; kEmpty if the slot is free
    uint32_t rank;  // lower merges first
    TokenId joined;
  };

  explicit BpePairTable(size_t size);
  // False if the pair is there already. At most `size` pairs.
  bool Insert(const BpeMerge& merge, uint32_t rank);
  // Null if these two never merge.
  const Entry* Find(TokenId left, TokenId right) const;

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  std::vector<Entry> slots_;
  uint64_t mask_;
};

// Immutable after Create; any thread.
class BpeEncoder {
 public:
  // Memory that Encode reuses from piece to piece; one per call or thread.
  class Scratch {
    friend class BpeEncoder;
    struct Node {
      TokenId token;
      int32_t previous;
      int32_t next;
    };
    struct Candidate {
      uint32_t rank;
      int32_t left;  // node index, which is also the order among equal ranks
      TokenId left_token;
      TokenId right_token;
      TokenId joined;
    };
    std::vector<TokenId> tokens_;
    std::vector<const BpePairTable::Entry*> merges_;
    std::vector<Node> nodes_;
    std::vector<Candidate> heap_;
  };

  // token_bytes[id] is empty where there is no such token; the merges are in order of rank. Error
  // kInvalidArgument if a byte has no token, two tokens are the same, or a merge repeats or does not fit its
  // tokens.
  static Result<BpeEncoder> Create(std::vector<std::string> token_bytes, std::span<const BpeMerge> merges);

  // Appends the tokens of `piece`. O(n log n).
  void Encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const;

  // The id of a whole token; kNone if there is none.
  static constexpr TokenId kNone = ~TokenId{0};
  TokenId Find(std::string_view bytes) const;

  const std::vector<std::string>& token_bytes() const { return token_bytes_; }

 private:
  // Every token, by its bytes.
  struct TokenSlot {
    uint32_t hash = 0;  // high bits, to refuse most strangers without touching their bytes
    TokenId token = kNone;
    bool reachable = false;  // merging its bytes gives just this token, so they need not be merged
  };

  BpeEncoder(std::vector<std::string> token_bytes, size_t num_merges);
  Status IndexTokens();
  Status IndexMerges(std::span<const BpeMerge> merges);
  void MarkReachableTokens();
  const TokenSlot* FindSlot(std::string_view bytes) const;
  void EncodeByScanning(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const;
  void EncodeByHeap(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const;
  void PushCandidate(int32_t left, Scratch& scratch) const;

  std::vector<std::string> token_bytes_;
  std::array<TokenId, 256> byte_tokens_{};
  std::vector<TokenSlot> slots_;
  uint64_t slot_mask_ = 0;
  size_t longest_token_ = 0;
  BpePairTable pairs_;
};

}  // namespace mimo
