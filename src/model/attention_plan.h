#pragma once
// How the attention of one layer over a step is cut into tasks.
//
// Tokens of a chunk go together in blocks, so that a key that is loaded serves all of them. A block's keys
// are cut into the pieces of kernels/attention.h. One task takes a whole block, piece after piece; where that
// makes too few tasks for the threads (decode over a long context), each piece is a task of its own. Either
// way gives the same bits, so the choice may depend on the number of threads.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "weights/model_config.h"

namespace mimo {

// Where a token of the step belongs.
struct TokenPlace {
  uint32_t chunk = 0;         // index in the batch
  uint32_t position = 0;      // in its sequence
  uint32_t row_begin = 0;     // first row of its chunk
  uint32_t window_begin = 0;  // first position that sliding layers see
};

// Consecutive tokens of one chunk.
struct AttentionBlock {
  uint32_t token = 0;  // the first one's row in the step
  uint32_t num_tokens = 0;
  uint32_t key_begin = 0;  // positions that any of the tokens sees
  uint32_t key_end = 0;
  uint32_t pieces_before = 0;  // of the blocks before

  uint32_t first_piece() const { return key_begin / kAttentionPieceKeys; }
  uint32_t num_pieces() const { return (key_end - 1) / kAttentionPieceKeys - first_piece() + 1; }
};

class AttentionPlan {
 public:
  // Tokens of a block: their heads fill the rows that share a tile of keys.
  static uint32_t BlockTokens(const AttentionGeometry& geometry);
  // Floats of one partial result of a block.
  static size_t PartialFloats(const AttentionGeometry& geometry, uint32_t num_tokens);
  // Floats of the kernel's scratch memory, for a whole block.
  static size_t ScratchFloats(const AttentionGeometry& geometry);

  // Blocks of this plan are valid until the next Make. Allocates only where a step is larger than any before.
  void Make(std::span<const TokenPlace> places, const AttentionGeometry& geometry, uint32_t num_threads);

  std::span<const AttentionBlock> blocks() const { return blocks_; }
  // Whether each piece is to be a task.
  bool is_split() const { return is_split_; }
  uint32_t num_pieces() const { return num_pieces_; }  // of all blocks
  uint32_t block_tokens_max() const { return block_tokens_max_; }
  // The block that piece `index` of num_pieces() belongs to.
  const AttentionBlock& BlockOfPiece(uint32_t index) const;

 private:
  std::vector<AttentionBlock> blocks_;
  bool is_split_ = false;
  uint32_t num_pieces_ = 0;
  uint32_t block_tokens_max_ = 0;
};

}  // namespace mimo
