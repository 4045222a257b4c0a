#include "engine/kv_plan.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

constexpr uint64_t kGibibyte = uint64_t{1} << 30;

// Two full-attention layers of 2 * 2 * (64 + 64) bytes a token each, and one sliding layer.
ModelConfig SmallConfig() {
  ModelConfig config;
  config.hidden_size = 256;
  config.num_hidden_layers = 3;
  config.max_position_embeddings = 100'000;
  config.full_attention = {
      .num_attention_heads = 4, .num_key_value_heads = 2, .head_dim = 64, .v_head_dim = 64};
  config.sliding_attention = config.full_attention;
  config.sliding_attention.window = 128;
  config.is_sliding = {false, false, true};
  config.is_sparse = {false, false, false};
  return config;
}

TEST(KvPlan, UsesTheModelsContextWhenMemoryIsPlentiful) {
  const KvPlan plan = PlanKvMemory(SmallConfig(), {.sequences_max = 2}, 64 * kGibibyte).value();
  EXPECT_EQ(plan.context_max, 100'000U);
  EXPECT_GT(plan.num_blocks, 2 * KvBlocksFor(100'000)) << "more than sequences need is room for the cache";
  EXPECT_GT(plan.snapshot_bytes_max, kGibibyte);
}

TEST(KvPlan, TakesWhatSequencesNeedWhereNothingIsCached) {
  const EngineOptions options{.sequences_max = 2, .prefix_cache = {.is_enabled = false}};
  const KvPlan plan = PlanKvMemory(SmallConfig(), options, 64 * kGibibyte).value();
  EXPECT_EQ(plan.num_blocks, 2 * KvBlocksFor(100'000));
  EXPECT_EQ(plan.snapshot_bytes_max, 0U);
}

TEST(KvPlan, BoundsTheContextByTheMemory) {
  const ModelConfig config = SmallConfig();
  const EngineOptions options{.sequences_max = 2, .kv_memory_bytes_max = 16 << 20};
  const KvPlan plan = PlanKvMemory(config, options, kGibibyte).value();
  EXPECT_EQ(plan.context_max, plan.num_blocks * kKvBlockTokens);
  EXPECT_LT(plan.context_max, 100'000U);
  const uint64_t bytes = 2 * KvStorage::BytesPerRing(config, KvType::kBf16) +
                         plan.context_max * KvStorage::BytesPerToken(config, KvType::kBf16) +
                         plan.snapshot_bytes_max;
  EXPECT_LE(bytes, options.kv_memory_bytes_max);
  EXPECT_GT(bytes + kKvBlockTokens * KvStorage::BytesPerToken(config, KvType::kBf16),
            options.kv_memory_bytes_max);
}

TEST(KvPlan, HoldsOneSequenceOfTheContextThatWasAskedFor) {
  const KvPlan plan = PlanKvMemory(SmallConfig(), {.context_max = 90'000}, 1 << 20).value();
  EXPECT_EQ(plan.context_max, 90'000U);
  EXPECT_EQ(plan.num_blocks, KvBlocksFor(90'000));
}

TEST(KvPlan, LetsTheContextHaveItsBlocksBeforeWindowsAreKept) {
  const ModelConfig config = SmallConfig();
  const uint64_t rings = KvStorage::BytesPerRing(config, KvType::kBf16);
  const uint64_t context =
      KvBlocksFor(90'000) * kKvBlockTokens * KvStorage::BytesPerToken(config, KvType::kBf16);
  const EngineOptions options{
      .context_max = 90'000, .sequences_max = 1, .kv_memory_bytes_max = rings + context + 1000};
  const KvPlan plan = PlanKvMemory(config, options, kGibibyte).value();
  EXPECT_EQ(plan.num_blocks, KvBlocksFor(90'000));
  EXPECT_EQ(plan.snapshot_bytes_max, 1000U);
}

TEST(KvPlan, RefusesAContextThatTheLimitCannotHold) {
  const auto plan =
      PlanKvMemory(SmallConfig(), {.context_max = 90'000, .kv_memory_bytes_max = 1 << 20}, kGibibyte);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kResourceExhausted);
}

TEST(KvPlan, RefusesAContextBeyondTheModels) {
  const auto plan = PlanKvMemory(SmallConfig(), {.context_max = 100'001}, kGibibyte);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
}

TEST(KvPlan, NeedsNoBlockMemoryWhenEveryLayerSlides) {
  ModelConfig config = SmallConfig();
  config.is_sliding = {true, true, true};
  EXPECT_EQ(PlanKvMemory(config, {}, 64 * kGibibyte).value().context_max, 100'000U);
}

TEST(KvPlan, FindsFreeMemoryOnThisMachine) { EXPECT_GT(MemoryBytesAvailable(), uint64_t{1} << 20); }

}  // namespace
}  // namespace mimo
