#include "server/repeated_tokens.h"

#include <algorithm>

#include "base/mix_bits.h"

namespace mimo {
namespace {

std::vector<uint64_t> PrefixHashes(std::span<const TokenId> tokens) {
  std::vector<uint64_t> hashes;
  hashes.reserve(tokens.size());
  uint64_t hash = 0;
  for (const TokenId token : tokens) hashes.push_back(hash = MixBits(hash + kGoldenGamma + token));
  return hashes;
}

}  // namespace

// A prefix of a known text is known: what is known of a text is its beginning.
size_t RepeatedTokens::Known(const std::vector<uint64_t>& hashes) const {
  return static_cast<size_t>(
      std::partition_point(hashes.begin(), hashes.end(),
                           [this](uint64_t hash) { return prefixes_.contains(hash); }) -
      hashes.begin());
}

size_t RepeatedTokens::Count(std::span<const TokenId> tokens) const { return Known(PrefixHashes(tokens)); }

void RepeatedTokens::Add(std::span<const TokenId> tokens) {
  const std::vector<uint64_t> hashes = PrefixHashes(tokens);
  prefixes_.insert(hashes.begin() + static_cast<ptrdiff_t>(Known(hashes)), hashes.end());
}

}  // namespace mimo
