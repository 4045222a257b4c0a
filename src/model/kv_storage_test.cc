#include "model/kv_storage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "model/kv_access.h"
#include "model/kv_elements.h"

namespace mimo {
namespace {

// One full and one sliding layer, and one sliding MTP layer.
ModelConfig SmallConfig() {
  ModelConfig config;
  config.num_hidden_layers = 2;
  config.num_nextn_predict_layers = 1;
  config.is_sliding = {false, true};
  config.full_attention = {
      .num_attention_heads = 4, .num_key_value_heads = 1, .head_dim = 6, .v_head_dim = 4};
  config.sliding_attention = {
      .num_attention_heads = 4, .num_key_value_heads = 2, .head_dim = 6, .v_head_dim = 4, .window = 5};
  return config;
}

std::vector<float> Values(uint32_t position, uint32_t count) {
  std::vector<float> values(count);
  for (uint32_t i = 0; i < count; ++i) values[i] = static_cast<float>(position * 10 + i);
  return values;
}

// The first element of each key in the spans.
std::vector<float> FirstElements(const std::vector<KeySpan>& spans, uint32_t head_dim) {
  std::vector<float> first;
  for (const KeySpan& span : spans) {
    for (uint32_t i = 0; i < span.count; ++i)
      first.push_back(static_cast<const float*>(span.k)[i * head_dim]);
  }
  return first;
}

TEST(KvStorage, CountsTheBytesOfEachKindOfLayer) {
  // Full: 1 head * (6 + 4) * 2 bytes. Sliding and MTP: 2 heads * 10 * 2 bytes for window + margin tokens,
  // twice.
  EXPECT_EQ(KvStorage::BytesPerToken(SmallConfig(), KvType::kBf16), 20U);
  EXPECT_EQ(KvStorage::BytesPerRing(SmallConfig(), KvType::kBf16), 2U * 40U * (5U + kRingMarginTokens));
  EXPECT_EQ(KvStorage::BytesPerToken(SmallConfig(), KvType::kF32), 40U);
}

TEST(KvStorage, CountsWholeBlocksOfQuantisedTypes) {
  ModelConfig config = SmallConfig();
  for (AttentionGeometry* geometry : {&config.full_attention, &config.sliding_attention}) {
    geometry->head_dim = 192;
    geometry->v_head_dim = 128;
  }
  EXPECT_EQ(KvStorage::BytesPerToken(config, KvType::kQ80), 10U * 34);
  EXPECT_EQ(KvStorage::BytesPerToken(config, KvType::kQ40), 10U * 18);
  EXPECT_TRUE(CheckKvType(config, KvType::kQ40));
}

TEST(KvStorage, RefusesATypeWhoseBlocksDoNotFitTheHeads) {
  const auto storage = KvStorage::Create(SmallConfig(), {.type = KvType::kQ80, .num_blocks = 1});
  ASSERT_FALSE(storage);
  EXPECT_EQ(storage.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(storage.error().message.find("q8_0"), std::string::npos);
}

TEST(KvStorage, PagedSpansFollowTheBlockTable) {
  auto storage = KvStorage::Create(SmallConfig(), {.type = KvType::kF32, .num_blocks = 4, .num_rings = 1});
  ASSERT_TRUE(storage);
  const KvAccess access(*storage, 0);
  const std::vector<KvBlockId> blocks = {{3}, {0}, {2}};
  const uint32_t num_tokens = 2 * kKvBlockTokens + 9;
  for (uint32_t position = 0; position < num_tokens; ++position) {
    const uint32_t block = blocks[position / kKvBlockTokens].value;
    StoreKvElements(KvType::kF32, Values(position, 6), access.K(block, 0, position % kKvBlockTokens));
  }

  std::vector<KeySpan> spans;
  access.AppendPagedSpans(blocks, 0, 0, num_tokens, &spans);

  ASSERT_EQ(spans.size(), 3U);
  const std::vector<float> first = FirstElements(spans, 6);
  ASSERT_EQ(first.size(), num_tokens);
  for (uint32_t i = 0; i < num_tokens; ++i) EXPECT_EQ(first[i], static_cast<float>(i * 10));
}

TEST(KvStorage, RingSpansComeOldestFirstAcrossTheWrap) {
  auto storage = KvStorage::Create(SmallConfig(), {.type = KvType::kF32, .num_blocks = 1, .num_rings = 3});
  ASSERT_TRUE(storage);
  const KvAccess access(*storage, 1);
  ASSERT_EQ(access.ring_tokens(), 5 + kRingMarginTokens);
  for (uint32_t position = 0; position < 30; ++position) {
    StoreKvElements(KvType::kF32, Values(position, 6), access.K(2, 1, access.RingSlot(position)));
  }

  std::vector<KeySpan> spans;
  access.AppendRingSpans(KvRingId{2}, 1, 24, 29, &spans);

  EXPECT_EQ(FirstElements(spans, 6), (std::vector<float>{240, 250, 260, 270, 280}));
  EXPECT_EQ(spans.size(), 2U) << "positions 24 to 28 of a ring of 13 wrap once";
}

// Resident memory of this process.
uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  file >> total_pages >> resident_pages;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// Flash's geometry: 9 of 48 layers keep all keys, 11,520 elements a token.
ModelConfig FlashConfig() {
  ModelConfig config;
  config.num_hidden_layers = 48;
  config.is_sliding.assign(48, true);
  for (const uint32_t layer : {0U, 5U, 11U, 17U, 23U, 29U, 35U, 41U, 47U}) config.is_sliding[layer] = false;
  config.full_attention = {
      .num_attention_heads = 64, .num_key_value_heads = 4, .head_dim = 192, .v_head_dim = 128};
  config.sliding_attention = config.full_attention;
  config.sliding_attention.num_key_value_heads = 8;
  config.sliding_attention.window = 128;
  return config;
}

TEST(KvStorage, AMillionTokensOfFlashFitThirteenGigabytesAndCostNothingUntilTheyAreUsed) {
  const ModelConfig config = FlashConfig();
  constexpr uint32_t kContext = 1'048'576;
  EXPECT_EQ(KvStorage::BytesPerToken(config, KvType::kBf16), 11'520U * 2);
  EXPECT_LT(kContext * KvStorage::BytesPerToken(config, KvType::kQ80) +
                KvStorage::BytesPerRing(config, KvType::kQ80),
            13'000'000'000U);
  EXPECT_EQ(WindowReplayTokens(config, false), 4953U);

  const uint64_t before = ResidentBytes();
  KvStorage storage =
      KvStorage::Create(config, {.type = KvType::kQ80, .num_blocks = KvBlocksFor(kContext)}).value();
  constexpr uint64_t kNoise = 4 << 20;
  EXPECT_LT(ResidentBytes(), before + kNoise);

  std::vector<KvBlockId> used;
  for (uint32_t i = 0; i < 64; ++i) used.push_back({i * 256});
  const std::vector<std::byte> bytes(storage.BlockBytes(), std::byte{1});
  for (const KvBlockId block : used) ASSERT_TRUE(storage.ImportBlock(bytes, block));
  const uint64_t used_bytes = 64 * storage.BlockBytes();
  EXPECT_GT(ResidentBytes(), before + used_bytes - kNoise);
  EXPECT_LT(ResidentBytes(), before + used_bytes + used_bytes / 5 + kNoise) << "pages that are used in part";

  storage.GiveBack(used);
  EXPECT_LT(ResidentBytes(), before + used_bytes / 5 + kNoise);
}

TEST(KvStorage, RefusesWhatTheAddressSpaceCannotHold) {
  ModelConfig config = SmallConfig();
  config.full_attention.num_key_value_heads =
      1024;  // 2^32 blocks of 64 tokens are 10 PiB, beyond 47 address bits
  const auto storage =
      KvStorage::Create(config, {.type = KvType::kF32, .num_blocks = 0xffffffff, .num_rings = 1});
  ASSERT_FALSE(storage);
  EXPECT_EQ(storage.error().code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace mimo
