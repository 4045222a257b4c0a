#include "engine/cache_store_format.h"

#include <gtest/gtest.h>

#include "engine/cache_store_testutil.h"

namespace mimo {
namespace {

CacheRecord SomeRecord(uint32_t block = 3) {
  const CachePlace place = BlocksOf(1, block + 1).back();
  CacheRecord record{.last_used_ms = 1'800'000'000'123, .key = IdOf(place).key, .place = place};
  record.payload_offset = 8192;
  record.payload_bytes = 5000;
  record.payload_checksum = CachePayloadChecksum(PayloadOf(record.key, record.kind, 5000));
  return record;
}

std::vector<std::byte> Concatenate(std::initializer_list<CacheRecord> records) {
  std::vector<std::byte> bytes;
  for (const CacheRecord& record : records) {
    const auto encoded = EncodeCacheRecord(record);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  }
  return bytes;
}

TEST(CacheRecord, ComesBackFromItsBytes) {
  const CacheRecord record = SomeRecord();
  const auto decoded = DecodeCacheRecord(EncodeCacheRecord(record));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_EQ(decoded->state, CacheRecordState::kLive);
  EXPECT_EQ(decoded->last_used_ms, record.last_used_ms);
  EXPECT_EQ(decoded->id(), record.id());
  EXPECT_EQ(decoded->place.parent, record.place.parent);
  EXPECT_EQ(decoded->place.position, 192U);
  EXPECT_EQ(decoded->place.tokens, record.place.tokens);
  EXPECT_EQ(decoded->payload_offset, 8192U);
  EXPECT_EQ(decoded->payload_bytes, 5000U);
  EXPECT_EQ(decoded->payload_checksum, record.payload_checksum);
  EXPECT_EQ(decoded->payload_end(), 16384U);
}

TEST(CacheRecord, NoticesEveryChangedBitButThoseOfStateAndLastUse) {
  const auto bytes = EncodeCacheRecord(SomeRecord());
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto changed = bytes;
    changed[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    const bool is_mutable = bit / 8 >= kCacheStateOffset && bit / 8 < kCacheLastUsedOffset + 8;
    EXPECT_EQ(DecodeCacheRecord(changed).has_value(), is_mutable) << "bit " << bit;
  }
}

TEST(CacheRecord, IsNotLiveInAStateThatIsNotKnown) {
  auto bytes = EncodeCacheRecord(SomeRecord());
  bytes[kCacheStateOffset + 2] = std::byte{9};
  EXPECT_EQ(DecodeCacheRecord(bytes)->state, CacheRecordState::kEvicted);
}

TEST(CacheFileHeader, ComesBackAndNoticesEveryChangedBit) {
  const CacheFileHeader header{
      .kind = CacheFileKind::kData, .segment = {std::byte{1}}, .store = {std::byte{2}}};
  const auto bytes = EncodeCacheFileHeader(header);
  const auto decoded = DecodeCacheFileHeader(bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->kind, CacheFileKind::kData);
  EXPECT_EQ(decoded->segment, header.segment);
  EXPECT_EQ(decoded->store, header.store);
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto changed = bytes;
    changed[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_FALSE(DecodeCacheFileHeader(changed).has_value()) << "bit " << bit;
  }
}

TEST(ScanCacheIndex, TakesAnEndThatIsTornForTheEnd) {
  std::vector<std::byte> bytes = Concatenate({SomeRecord(0), SomeRecord(1), SomeRecord(2)});
  bytes.resize(bytes.size() - 1);
  const CacheIndexScan scan = ScanCacheIndex(bytes, 10, 1 << 20);
  ASSERT_EQ(scan.records.size(), 2U);
  EXPECT_EQ(scan.records[1].index, 11U);
  EXPECT_EQ(scan.next_index, 12U);
  EXPECT_EQ(scan.num_damaged, 0U);
}

TEST(ScanCacheIndex, GoesOnAfterADamagedRecordAndCountsIt) {
  std::vector<std::byte> bytes = Concatenate({SomeRecord(0), SomeRecord(1), SomeRecord(2)});
  bytes[kCacheRecordBytes + 100] ^= std::byte{1};
  const CacheIndexScan scan = ScanCacheIndex(bytes, 0, 1 << 20);
  ASSERT_EQ(scan.records.size(), 2U);
  EXPECT_EQ(scan.records[1].index, 2U);
  EXPECT_EQ(scan.num_damaged, 1U);
}

TEST(ScanCacheIndex, LeavesOutARecordWhosePayloadIsNotInTheFile) {
  const std::vector<std::byte> bytes = Concatenate({SomeRecord()});
  EXPECT_EQ(ScanCacheIndex(bytes, 0, 8192 + 5000).records.size(), 1U);
  EXPECT_EQ(ScanCacheIndex(bytes, 0, 8192 + 4999).records.size(), 0U);
  EXPECT_EQ(ScanCacheIndex(bytes, 0, 8192 + 4999).next_index, 0U);
}

}  // namespace
}  // namespace mimo
