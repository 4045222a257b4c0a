#pragma once
// How many tokens the MTP heads would save: what speculative decoding would accept of their drafts.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/commands/single_sequence.h"
#include "base/json.h"
#include "base/status.h"
#include "base/token_id.h"
#include "weights/checkpoint.h"

namespace mimo {

// Not thread-safe.
class DraftScore {
 public:
  // Opens the checkpoint in `folder` once more, beside whoever samples from it.
  static Result<DraftScore> Open(const std::string& folder, uint32_t num_threads);

  bool has_heads() const { return !right_.empty(); }

  // Replays a greedy answer to a prompt as a server that drafts would: after each token of the trunk, head k
  // guesses the token k + 1 further on; guesses count as accepted up to the first wrong one. Requires:
  // has_heads().
  Status Add(std::span<const TokenId> prompt, std::span<const TokenId> answer);

  // {"steps", "accepted_per_step", "tokens_per_step", "right": [share of each head's guesses]}
  Json ToJson() const;

 private:
  explicit DraftScore(std::unique_ptr<Checkpoint> checkpoint) : checkpoint_(std::move(checkpoint)) {}
  // guesses[k][i]: head k's guess from the trunk's output at position prompt_size - 1 + i.
  Result<std::vector<std::vector<TokenId>>> Guesses(std::span<const TokenId> tokens, size_t prompt_size);

  std::unique_ptr<Checkpoint> checkpoint_;  // at a fixed address for the sequence
  std::optional<SingleSequence> sequence_;
  std::vector<uint64_t> right_;  // [heads]
  std::vector<uint64_t> total_;  // [heads]
  uint64_t steps_ = 0;
  uint64_t accepted_ = 0;
};

}  // namespace mimo
