#pragma once
// The name of a prefix of tokens, the same in every process and on every machine.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/token_id.h"

namespace mimo {

// The first 128 bits of SHA-256(key of the prefix without its last block, tokens of that block as 32-bit
// little-endian numbers). A cryptographic hash, because a key stands for all tokens before its block, and a
// client who could make two prefixes with one key would be served another prompt's keys and values.
struct PrefixKey {
  std::array<std::byte, 16> bytes = {};  // all zero: the empty prefix, where there is no salt

  bool operator==(const PrefixKey&) const = default;
};

// Where the texts of a salt begin: those of two salts share nothing. All zero for the empty one.
PrefixKey SaltedPrefixKey(std::string_view salt);

// Requires: 1 to kKvBlockTokens tokens, and `prefix` ends at a whole block.
PrefixKey ExtendPrefixKey(const PrefixKey& prefix, std::span<const TokenId> tokens);

// 32 lower-case hexadecimal digits.
std::string PrefixKeyText(const PrefixKey& key);

struct PrefixKeyHash {
  size_t operator()(const PrefixKey& key) const;
};

}  // namespace mimo
