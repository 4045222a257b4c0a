#pragma once
// Conversations of a dataset, packed into sequences of one length.

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "data/dataset_file.h"

namespace mimo {

// Which tokens are to be predicted.
enum class LossOn : uint8_t {
  kEveryToken,
  kOwnTokens,  // the model's own: calls, replies, ends of turns (RenderedConversation::is_target)
};

struct BatcherOptions {
  uint32_t length = 1024;  // tokens of a sequence
  uint64_t seed = 1;       // of the order
  LossOn loss_on = LossOn::kEveryToken;
};

// [num_sequences, length], row-major; every row is whole conversations one after another, then padding.
// The numbers are those of PackedBatch (network.h), which this header stays free of for libtorch's sake.
struct PackedRows {
  uint32_t num_sequences = 0;
  uint32_t length = 0;
  std::vector<int64_t> tokens;     // 0 in the padding
  std::vector<int64_t> targets;    // the next token of the conversation, or kNoTargetId
  std::vector<int64_t> positions;  // in the conversation; every token of the padding is one of its own
  uint64_t num_tokens = 0;         // without padding
};
constexpr int64_t kNoTargetId = -100;

// Conversation indices of every sequence. Best fit in decreasing length: each conversation goes to the
// fullest sequence that still has room for it. One longer than `length` counts as `length`. The number of
// sequences does not depend on the order of equal lengths.
// Requires: lengths has an entry for every index in `order`; length > 0.
std::vector<std::vector<uint32_t>> PackBestFit(std::span<const uint32_t> lengths,
                                               std::span<const uint32_t> order, uint32_t length);

// An endless row of sequences, pass after pass over the dataset, each pass packed and shuffled anew. The
// sequence at a position depends on the data, the options and the position alone, so that a resumed run needs
// nothing but its step. Not thread-safe: keeps the packing of the current pass.
class Batcher {
 public:
  // Reads every conversation once for its length. `dataset` is not owned and must outlive the batcher.
  // kInvalidArgument for a dataset without conversations.
  static Result<Batcher> Create(const Dataset& dataset, const BatcherOptions& options);

  uint64_t sequences_per_pass() const { return sequences_per_pass_; }
  uint64_t num_cut() const { return num_cut_; }  // conversations longer than a sequence

  // Sequences first .. first + count - 1 of the endless row.
  PackedRows Sequences(uint64_t first, uint32_t count);

 private:
  Batcher(const Dataset& dataset, const BatcherOptions& options) : dataset_(&dataset), options_(options) {}
  std::vector<std::vector<uint32_t>> PackPass(uint64_t pass) const;
  void AppendRow(std::span<const uint32_t> conversations, PackedRows& rows) const;

  const Dataset* dataset_;
  BatcherOptions options_;
  std::vector<uint32_t> lengths_;  // [num_conversations]
  uint64_t sequences_per_pass_ = 0;
  uint64_t num_cut_ = 0;
  uint64_t pass_ = 0;  // the one that is in packed_
  std::vector<std::vector<uint32_t>> packed_;
};

}  // namespace mimo
