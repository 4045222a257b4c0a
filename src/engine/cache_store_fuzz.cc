// Any bytes as the index file of a segment: what is accepted has sane bounds, survives the round trip, and
// can be evicted. And as records of sampled turns: what is accepted is written as it was read.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "engine/cache_store_eviction.h"
#include "engine/cache_store_format.h"
#include "engine/sampled_turns_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  (void)DecodeCacheFileHeader(file);
  // The first byte says how long the data file is: records then point into it or beyond.
  const uint64_t data_bytes = size > 0 ? uint64_t{data[0]} << 12 : 0;
  const CacheIndexScan scan = ScanCacheIndex(file.subspan(size > 0 ? 1 : 0), 7, data_bytes);
  std::vector<EvictionCandidate> candidates;
  for (const auto& [index, record] : scan.records) {
    MIMO_CHECK(index >= 7 && index < scan.next_index);
    MIMO_CHECK(record.payload_offset + record.payload_bytes <= data_bytes);
    MIMO_CHECK(!record.place.tokens.empty() && record.place.tokens.size() <= kCacheTokensMax);
    const auto again = DecodeCacheRecord(EncodeCacheRecord(record));
    MIMO_CHECK(again && again->id() == record.id() && again->place.tokens == record.place.tokens);
    candidates.push_back({.id = record.id(),
                          .parent = record.place.parent,
                          .position = record.place.position,
                          .num_tokens = static_cast<uint32_t>(record.place.tokens.size()),
                          .bytes = record.payload_bytes,
                          .last_used_ms = record.last_used_ms});
  }
  MIMO_CHECK(ChooseEvictions(candidates, UINT64_MAX, {}).size() == candidates.size());

  const SampledTurnsScan turns = ScanSampledTurns(file);
  size_t end = 0;
  for (const SampledTurn& turn : turns.turns) {
    const std::vector<std::byte> record = EncodeSampledTurn(turn);
    MIMO_CHECK(std::equal(record.begin(), record.end(), file.begin() + static_cast<ptrdiff_t>(end)));
    end += record.size();
  }
  MIMO_CHECK(end == turns.end && end <= file.size());
  return 0;
}
