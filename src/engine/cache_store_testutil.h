#pragma once
// Entries whose payload follows from their place, so that whatever a store gives back can be checked, and
// folders that go when the test ends.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/mix_bits.h"
#include "engine/cache_store.h"
#include "engine/cache_store_format.h"

namespace mimo {

class CacheTestFolder {
 public:
  CacheTestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mimo_cache_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~CacheTestFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  CacheTestFolder(const CacheTestFolder&) = delete;
  CacheTestFolder& operator=(const CacheTestFolder&) = delete;

  const std::string& path() const { return path_; }

  // The only file below it with this ending.
  std::string Only(const std::string& suffix) const {
    std::string found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      if (!entry.path().string().ends_with(suffix)) continue;
      EXPECT_TRUE(found.empty()) << found << " and " << entry.path();
      found = entry.path().string();
    }
    EXPECT_FALSE(found.empty()) << "no *" << suffix;
    return found;
  }

 private:
  std::string path_;
};

inline std::vector<std::byte> PayloadOf(const PrefixKey& key, CacheEntryKind kind, size_t size) {
  uint64_t state = PrefixKeyHash()(key) + static_cast<uint64_t>(kind);
  std::vector<std::byte> payload(size);
  for (std::byte& byte : payload) byte = static_cast<std::byte>(MixBits(state += kGoldenGamma));
  return payload;
}

inline CacheEntryId IdOf(const CachePlace& place, CacheEntryKind kind = CacheEntryKind::kKvBlock) {
  return {kind, ExtendPrefixKey(place.parent, place.tokens)};
}

inline CacheEntry EntryAt(const CachePlace& place, size_t payload_bytes = 5000,
                          CacheEntryKind kind = CacheEntryKind::kKvBlock) {
  return {kind, place, PayloadOf(IdOf(place, kind).key, kind, payload_bytes)};
}

// The whole blocks of a text that follows from `seed`: blocks [0, num_blocks) of two seeds are alike up to
// block `branch_at` of the second.
inline std::vector<CachePlace> BlocksOf(uint64_t seed, uint32_t num_blocks, uint64_t trunk_seed = 0,
                                        uint32_t branch_at = 0) {
  std::vector<CachePlace> places;
  PrefixKey parent;
  for (uint32_t block = 0; block < num_blocks; ++block) {
    CachePlace place{.parent = parent, .position = block * kCacheTokensMax};
    uint64_t state = MixBits(block < branch_at ? trunk_seed : seed) + block;
    for (uint32_t i = 0; i < kCacheTokensMax; ++i) {
      place.tokens.push_back(static_cast<TokenId>(MixBits(state += kGoldenGamma) % 150'000));
    }
    parent = ExtendPrefixKey(place.parent, place.tokens);
    places.push_back(std::move(place));
  }
  return places;
}

// Whether the entry is there with the payload of EntryAt.
inline testing::AssertionResult Holds(CacheStore& store, const CachePlace& place,
                                      CacheEntryKind kind = CacheEntryKind::kKvBlock) {
  const CacheEntryId id = IdOf(place, kind);
  const auto info = store.Find(id);
  if (!info) return testing::AssertionFailure() << "not found";
  std::vector<std::byte> payload(info->payload_bytes);
  const Status status = store.Read(id, place, payload);
  if (!status) return testing::AssertionFailure() << status.error().message;
  if (payload != PayloadOf(id.key, kind, payload.size())) return testing::AssertionFailure() << "wrong bytes";
  return testing::AssertionSuccess();
}

inline std::unique_ptr<CacheStore> OpenStore(const std::string& directory, CacheStoreOptions options = {},
                                             const std::string& fingerprint = "model: test\n") {
  auto store = CacheStore::Open(directory, fingerprint, options);
  EXPECT_TRUE(store.has_value()) << (store ? "" : store.error().message);
  return store ? std::move(*store) : nullptr;
}

}  // namespace mimo
