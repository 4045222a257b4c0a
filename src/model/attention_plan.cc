#include "model/attention_plan.h"

#include <algorithm>

namespace mimo {
namespace {

// A tile of keys then serves so many rows that reading it costs little, and the rows' queries and results fit
// the second-level cache beside it.
constexpr uint32_t kBlockRows = 64;

// Tasks per thread below which whole blocks would leave threads idle at the end.
constexpr uint32_t kTasksPerThread = 4;

// Partial results of a split layer. One token of Flash at 1,048,576 tokens of context takes 34 MB.
constexpr size_t kPartialsBytesMax = size_t{256} << 20;

uint32_t GroupSize(const AttentionGeometry& geometry) {
  return geometry.num_attention_heads / geometry.num_key_value_heads;
}

}  // namespace

uint32_t AttentionPlan::BlockTokens(const AttentionGeometry& geometry) {
  return std::max(1U, kBlockRows / GroupSize(geometry));
}

size_t AttentionPlan::PartialFloats(const AttentionGeometry& geometry, uint32_t num_tokens) {
  return AttentionPartialFloats(num_tokens * GroupSize(geometry), geometry.v_head_dim);
}

size_t AttentionPlan::ScratchFloats(const AttentionGeometry& geometry) {
  return AttentionScratchFloats(BlockTokens(geometry) * GroupSize(geometry), geometry.head_dim,
                                geometry.v_head_dim);
}

void AttentionPlan::Make(std::span<const TokenPlace> places, const AttentionGeometry& geometry,
                         uint32_t num_threads) {
  blocks_.clear();
  num_pieces_ = 0;
  block_tokens_max_ = 0;
  const uint32_t tokens_max = BlockTokens(geometry);
  for (uint32_t token = 0; token < places.size();) {
    AttentionBlock block;
    block.token = token;
    const TokenPlace& first = places[token];
    while (token < places.size() && places[token].chunk == first.chunk && block.num_tokens < tokens_max) {
      ++block.num_tokens;
      ++token;
    }
    const uint32_t first_end = first.position + 1;
    if (geometry.window != 0) {
      block.key_begin =
          std::max(first.window_begin, first_end > geometry.window ? first_end - geometry.window : 0);
    }
    block.key_end = first.position + block.num_tokens;
    block.pieces_before = num_pieces_;
    num_pieces_ += block.num_pieces();
    block_tokens_max_ = std::max(block_tokens_max_, block.num_tokens);
    blocks_.push_back(block);
  }
  const uint32_t kv_heads = geometry.num_key_value_heads;
  const size_t bytes =
      size_t{num_pieces_} * kv_heads * PartialFloats(geometry, block_tokens_max_) * sizeof(float);
  is_split_ = num_threads > 1 && num_pieces_ > blocks_.size() &&
              blocks_.size() * kv_heads < size_t{kTasksPerThread} * num_threads && bytes <= kPartialsBytesMax;
}

const AttentionBlock& AttentionPlan::BlockOfPiece(uint32_t index) const {
  const auto after = std::upper_bound(
      blocks_.begin(), blocks_.end(), index,
      [](uint32_t piece, const AttentionBlock& block) { return piece < block.pieces_before; });
  return *(after - 1);
}

}  // namespace mimo
