#include "text/sampled_turns.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/mix_bits.h"

namespace mimo {

void TextHash::Append(std::string_view text) {
  for (const char c : text) value_ = value_ * 0x100000001b3U + static_cast<unsigned char>(c) + 1;
}

uint64_t SampledTurns::KeyOf(uint64_t before, std::string_view text) {
  TextHash hash;
  hash.Append(text);
  return MixBits(before + kGoldenGamma) ^ MixBits(hash.value());
}

SampledTurns::Entries::iterator SampledTurns::FindEntry(uint64_t before, std::string_view text) {
  const auto [begin, end] = by_key_.equal_range(KeyOf(before, text));
  const auto found = std::find_if(begin, end, [&](const auto& candidate) {
    return candidate.second->before == before && candidate.second->text == text;
  });
  return found == end ? entries_.end() : found->second;
}

void SampledTurns::Remember(SampledTurn turn) {
  const size_t bytes = turn.bytes();
  if (bytes > bytes_max_) return;
  const std::lock_guard lock(mutex_);
  if (const auto known = FindEntry(turn.before, turn.text); known != entries_.end()) {
    // Asked the same again: the last answer is the one that the client goes on with.
    bytes_ += bytes - known->bytes();
    known->tokens = std::move(turn.tokens);
    entries_.splice(entries_.begin(), entries_, known);
  } else {
    bytes_ += bytes;
    entries_.push_front(std::move(turn));
    by_key_.emplace(KeyOf(entries_.front().before, entries_.front().text), entries_.begin());
  }
  while (bytes_ > bytes_max_) ForgetOldest();
}

void SampledTurns::ForgetOldest() {
  const auto oldest = std::prev(entries_.end());
  const auto [begin, end] = by_key_.equal_range(KeyOf(oldest->before, oldest->text));
  by_key_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == oldest; }));
  bytes_ -= oldest->bytes();
  entries_.erase(oldest);
}

std::vector<TokenId> SampledTurns::Find(uint64_t before, std::string_view text) {
  const std::lock_guard lock(mutex_);
  const auto entry = FindEntry(before, text);
  if (entry == entries_.end()) return {};
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->tokens;
}

std::vector<SampledTurn> SampledTurns::Newest(size_t bytes_max) const {
  const std::lock_guard lock(mutex_);
  std::vector<SampledTurn> turns;
  size_t bytes = 0;
  for (const SampledTurn& turn : entries_) {
    bytes += turn.bytes();
    if (bytes > bytes_max) break;
    turns.push_back(turn);
  }
  return turns;
}

size_t SampledTurns::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace mimo
