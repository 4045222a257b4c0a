#pragma once
// Weights of block types, rearranged once when a model is loaded: sixteen rows side by side, so that a
// product needs no sum across lanes. docs/decisions/0011-integer-products.md has the figures.
//
// A panel is sixteen rows. Of each block of columns it holds lines of 64 bytes; word k (four bytes) of the
// block of row r is word r of line k, so one load gives four codes, or eight nibbles, of every row. A block's
// small numbers, scales and the like, are lines as well. What does not fill whole lines stands in a plane of
// its own behind the blocks:
//
//   panel = blocks [blocks of a row, block_bytes], plane [blocks of a row, plane_bytes], padding to 64 bytes
//
// Panels hold the bits of the blocks, no more and no less, but for these moves (weight_panels.cc draws each
// type): codes of q8_0 lose their sign (code + 128); the nibbles of released MXFP4 stand as in q4_0; the
// fifth bits of q5_0 and q5_1 are ordered so that four columns stand in the same bit of four bytes.

#include <cstddef>
#include <cstdint>

#include "kernels/matrix_view.h"

namespace mimo {

constexpr uint32_t kPanelRows = 16;
constexpr size_t kPanelAlignment = 64;

// Whether panels of this type exist.
bool HasPanels(WeightType type);

// Bytes of one panel. Requires: HasPanels(type), whole blocks.
size_t PanelBytes(WeightType type, uint32_t cols);

constexpr uint32_t NumPanels(uint32_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

// Where the blocks and the plane of a panel of `cols` columns lie.
struct PanelLayout {
  uint32_t block_bytes = 0;  // a multiple of 64
  uint32_t plane_bytes = 0;
};
constexpr PanelLayout PanelLayoutOf(WeightType type) {
  switch (type) {
    case WeightType::kQ80:
      return {512, 32};
    case WeightType::kQ40:
    case WeightType::kIq4Nl:
      return {256, 32};
    case WeightType::kMxFp4:
    case WeightType::kMxFp4Block:
      return {256, 16};
    case WeightType::kQ50:
      return {320, 32};
    case WeightType::kQ41:
      return {320, 0};
    case WeightType::kQ51:
      return {384, 0};
    case WeightType::kQ2K:
      return {21 * 64, 0};
    case WeightType::kQ3K:
      return {27 * 64, 32};
    case WeightType::kQ4K:
      return {36 * 64, 0};
    case WeightType::kQ5K:
      return {44 * 64, 0};
    case WeightType::kQ6K:
      return {52 * 64, 32};
    case WeightType::kIq4Xs:
      return {34 * 64, 0};
    default:
      return {};
  }
}

// Writes rows [first_row, first_row + 16) of `rows`, which is stored in rows, to `panel`, PanelBytes bytes at
// kPanelAlignment. Past the last row codes and scales are zero.
void PackPanel(const MatrixView& rows, uint32_t first_row, std::byte* panel);

// The same matrix in panels: NumPanels(rows.rows) of them, one after another.
MatrixView PanelView(const MatrixView& rows, const std::byte* panels);

}  // namespace mimo
