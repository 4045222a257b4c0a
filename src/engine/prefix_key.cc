#include "engine/prefix_key.h"

#include <fmt/core.h>
#include <openssl/evp.h>

#include <cstring>
#include <vector>

#include "base/check.h"

namespace mimo {

namespace {

PrefixKey BeginOfSha256(std::span<const std::byte> message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  MIMO_CHECK(EVP_Digest(message.data(), message.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  PrefixKey key;
  std::memcpy(key.bytes.data(), digest.data(), key.bytes.size());
  return key;
}

}  // namespace

// Hashed twice, so that no salt gives the message of a longer prefix, which is at least 20 bytes long.
PrefixKey SaltedPrefixKey(std::string_view salt) {
  if (salt.empty()) return {};
  return BeginOfSha256(BeginOfSha256(std::as_bytes(std::span(salt))).bytes);
}

PrefixKey ExtendPrefixKey(const PrefixKey& prefix, std::span<const TokenId> tokens) {
  std::vector<std::byte> message(prefix.bytes.begin(), prefix.bytes.end());
  message.reserve(message.size() + tokens.size() * sizeof(uint32_t));
  for (const TokenId token : tokens) {
    for (const int shift : {0, 8, 16, 24}) message.push_back(static_cast<std::byte>(token >> shift));
  }
  return BeginOfSha256(message);
}

std::string PrefixKeyText(const PrefixKey& key) {
  std::string text;
  for (const std::byte byte : key.bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

size_t PrefixKeyHash::operator()(const PrefixKey& key) const {
  size_t hash = 0;  // the bytes are those of a good hash already
  std::memcpy(&hash, key.bytes.data(), sizeof(hash));
  return hash;
}

}  // namespace mimo
