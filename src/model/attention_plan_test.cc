#include "model/attention_plan.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

constexpr AttentionGeometry kFull = {
    .num_attention_heads = 64, .num_key_value_heads = 4, .head_dim = 192, .v_head_dim = 128};

AttentionGeometry Sliding() {
  AttentionGeometry geometry = kFull;
  geometry.num_key_value_heads = 8;
  geometry.window = 128;
  return geometry;
}

// Chunks of {first position, tokens}.
std::vector<TokenPlace> Places(const std::vector<std::pair<uint32_t, uint32_t>>& chunks) {
  std::vector<TokenPlace> places;
  for (uint32_t chunk = 0; chunk < chunks.size(); ++chunk) {
    const auto row_begin = static_cast<uint32_t>(places.size());
    for (uint32_t i = 0; i < chunks[chunk].second; ++i) {
      places.push_back({.chunk = chunk, .position = chunks[chunk].first + i, .row_begin = row_begin});
    }
  }
  return places;
}

TEST(AttentionPlan, TokensOfDifferentSequencesNeverShareABlock) {
  AttentionPlan plan;
  plan.Make(Places({{0, 5}, {7, 1}, {1, 4}}), kFull, 1);
  std::vector<std::pair<uint32_t, uint32_t>> blocks;
  for (const AttentionBlock& block : plan.blocks()) blocks.emplace_back(block.token, block.num_tokens);
  EXPECT_EQ(blocks, (std::vector<std::pair<uint32_t, uint32_t>>{{0, 4}, {4, 1}, {5, 1}, {6, 4}}));
  EXPECT_EQ(plan.block_tokens_max(), 4U);
}

TEST(AttentionPlan, ABlockSeesWhatItsFirstAndItsLastTokenSee) {
  AttentionPlan plan;
  plan.Make(Places({{200, 8}}), Sliding(), 1);
  ASSERT_EQ(plan.blocks().size(), 1U);
  EXPECT_EQ(plan.blocks()[0].key_begin, 200U + 1 - 128);
  EXPECT_EQ(plan.blocks()[0].key_end, 208U);
}

TEST(AttentionPlan, AWindowOverACutHasTwoPieces) {
  AttentionPlan plan;
  plan.Make(Places({{kAttentionPieceKeys, 1}, {kAttentionPieceKeys - 1, 1}}), Sliding(), 1);
  EXPECT_EQ(plan.blocks()[0].num_pieces(), 2U);
  EXPECT_EQ(plan.blocks()[1].num_pieces(), 1U);
  EXPECT_EQ(plan.num_pieces(), 3U);
}

TEST(AttentionPlan, DecodeOverALongContextIsSplitWhereThreadsWouldIdle) {
  AttentionPlan plan;
  const std::vector<TokenPlace> token = Places({{10 * kAttentionPieceKeys, 1}});
  plan.Make(token, kFull, 8);
  EXPECT_TRUE(plan.is_split());
  EXPECT_EQ(plan.num_pieces(), 11U);
  plan.Make(token, kFull, 1);
  EXPECT_FALSE(plan.is_split()) << "one thread gains nothing";
  plan.Make(Places({{10, 1}}), kFull, 8);
  EXPECT_FALSE(plan.is_split()) << "there is one piece";
  plan.Make(Places({{10 * kAttentionPieceKeys, 256}}), kFull, 8);
  EXPECT_FALSE(plan.is_split()) << "a long chunk has tasks enough";
}

TEST(AttentionPlan, FindsTheBlockOfAPiece) {
  AttentionPlan plan;
  plan.Make(Places({{3 * kAttentionPieceKeys, 1}, {0, 1}, {kAttentionPieceKeys, 1}}), kFull, 8);
  std::vector<uint32_t> tokens;
  for (uint32_t piece = 0; piece < plan.num_pieces(); ++piece) {
    tokens.push_back(plan.BlockOfPiece(piece).token);
  }
  EXPECT_EQ(tokens, (std::vector<uint32_t>{0, 0, 0, 0, 1, 2, 2}));
}

TEST(AttentionPlan, IsNotSplitWherePartialResultsWouldTakeTooMuchMemory) {
  AttentionPlan plan;
  std::vector<std::pair<uint32_t, uint32_t>> chunks(16, {1'000'000, 1});
  plan.Make(Places(chunks), kFull, 256);
  EXPECT_FALSE(plan.is_split());
}

}  // namespace
}  // namespace mimo
