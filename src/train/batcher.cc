#include "train/batcher.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/mix_bits.h"

namespace mimo {
namespace {

// SplitMix64 from `seed` as it stands. The order of a run's batches hangs on this sequence.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() { return MixBits(state_ += kGoldenGamma); }

 private:
  uint64_t state_;
};

template <typename T>
void Shuffle(std::vector<T>& values, Random& random) {
  for (size_t i = values.size(); i > 1; --i) {
    // The bias of the remainder is below 2^-32 for fewer than 2^32 values.
    std::swap(values[i - 1], values[random.Next() % i]);
  }
}

}  // namespace

std::vector<std::vector<uint32_t>> PackBestFit(std::span<const uint32_t> lengths,
                                               std::span<const uint32_t> order, uint32_t length) {
  const auto size = [&](uint32_t index) { return std::min(lengths[index], length); };
  std::vector<uint32_t> by_length(order.begin(), order.end());
  std::stable_sort(by_length.begin(), by_length.end(),
                   [&](uint32_t a, uint32_t b) { return size(a) > size(b); });

  std::vector<std::vector<uint32_t>> sequences;
  std::map<uint32_t, std::vector<uint32_t>> sequences_by_room;  // room left -> sequence indices
  for (const uint32_t index : by_length) {
    const auto fit = sequences_by_room.lower_bound(size(index));
    uint32_t sequence_index = 0;
    uint32_t room = length;
    if (fit == sequences_by_room.end()) {
      sequence_index = static_cast<uint32_t>(sequences.size());
      sequences.emplace_back();
    } else {
      room = fit->first;
      sequence_index = fit->second.back();
      fit->second.pop_back();
      if (fit->second.empty()) sequences_by_room.erase(fit);
    }
    sequences[sequence_index].push_back(index);
    room -= size(index);
    if (room > 0) sequences_by_room[room].push_back(sequence_index);
  }
  return sequences;
}

Result<Batcher> Batcher::Create(const Dataset& dataset, const BatcherOptions& options) {
  MIMO_CHECK(options.length > 0);
  Batcher batcher(dataset, options);
  const uint64_t count = dataset.info().num_conversations;
  if (count == 0) return InvalidArgument("the dataset has no conversation (--data): make one with `data`");
  if (count > UINT32_MAX) {
    return InvalidArgument("the dataset has {} conversations (--data): at most {} are supported", count,
                           UINT32_MAX);
  }
  batcher.lengths_.reserve(count);
  for (uint64_t index = 0; index < count; ++index) {
    const size_t length = dataset.Read(index).tokens.size();
    if (length > options.length) ++batcher.num_cut_;
    batcher.lengths_.push_back(static_cast<uint32_t>(std::min<size_t>(length, UINT32_MAX)));
  }
  batcher.packed_ = batcher.PackPass(0);
  batcher.sequences_per_pass_ = batcher.packed_.size();
  return batcher;
}

std::vector<std::vector<uint32_t>> Batcher::PackPass(uint64_t pass) const {
  Random random(options_.seed * 0x2545f4914f6cdd1dULL + pass);
  std::vector<uint32_t> order(lengths_.size());
  std::iota(order.begin(), order.end(), 0U);
  Shuffle(order, random);
  std::vector<std::vector<uint32_t>> sequences = PackBestFit(lengths_, order, options_.length);
  // Packing put the longest first; within a sequence the long one would always lead.
  for (std::vector<uint32_t>& sequence : sequences) Shuffle(sequence, random);
  Shuffle(sequences, random);
  return sequences;
}

PackedRows Batcher::Sequences(uint64_t first, uint32_t count) {
  PackedRows rows;
  rows.length = options_.length;
  const size_t num_tokens = size_t{count} * options_.length;
  rows.tokens.reserve(num_tokens);
  rows.targets.reserve(num_tokens);
  rows.positions.reserve(num_tokens);
  for (uint64_t position = first; position < first + count; ++position) {
    const uint64_t pass = position / sequences_per_pass_;
    if (pass != pass_) {
      packed_ = PackPass(pass);
      MIMO_CHECK(packed_.size() == sequences_per_pass_);
      pass_ = pass;
    }
    AppendRow(packed_[position % sequences_per_pass_], rows);
  }
  return rows;
}

void Batcher::AppendRow(std::span<const uint32_t> conversations, PackedRows& rows) const {
  size_t room = options_.length;
  for (const uint32_t index : conversations) {
    const RenderedConversation conversation = dataset_->Read(index);
    const size_t size = std::min(conversation.tokens.size(), room);
    for (size_t i = 0; i < size; ++i) {
      const bool has_target =
          i + 1 < size && (options_.loss_on == LossOn::kEveryToken || conversation.is_target[i + 1] != 0);
      rows.tokens.push_back(conversation.tokens[i]);
      rows.targets.push_back(has_target ? int64_t{conversation.tokens[i + 1]} : kNoTargetId);
      rows.positions.push_back(static_cast<int64_t>(i));
    }
    room -= size;
  }
  rows.num_tokens += options_.length - room;
  rows.tokens.insert(rows.tokens.end(), room, 0);
  rows.targets.insert(rows.targets.end(), room, kNoTargetId);
  rows.positions.insert(rows.positions.end(), room, 0);
  ++rows.num_sequences;
}

}  // namespace mimo
