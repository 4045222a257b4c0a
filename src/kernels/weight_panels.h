#pragma once
// Weights of block types, rearranged once when a model is loaded: sixteen rows side by side, so that a
// product needs no sum across lanes. docs/decisions/0011-integer-products.md has the figures.
//
// A panel is sixteen rows, block after block. Of each block of columns it holds lines of 64 bytes; word k
// (four bytes) of the block of row r is word r of line k, so one load gives four codes, or eight nibbles, of
// every row. A block's small numbers, scales and the like, are lines as well; those that do not fill lines
// lead:
//
//   block = lead [0, 16 or 32 bytes], lines [64 bytes each], in the order in which decode reads them
//
// So memory is read in one stream from end to end, which is what the hardware's prefetch follows: with the
// leads in a place of their own, one core of an EPYC 9004 read 20 GB/s of q8_0 where it now reads 30. Lines
// are not aligned for it.
//
// Panels hold the bits of the blocks, no more and no less, but for these moves (weight_panels.cc draws each
// type): codes of q8_0 lose their sign (code + 128); the nibbles of released MXFP4 stand as in q4_0; the
// fifth bits of q5_0 and q5_1 are ordered so that four columns stand in the same bit of four bytes.

#include <cstddef>
#include <cstdint>

#include "kernels/matrix_view.h"

namespace mimo {

constexpr uint32_t kPanelRows = 16;

// Whether panels of this type exist.
bool HasPanels(WeightType type);

// Bytes of one panel. Requires: HasPanels(type), whole blocks.
size_t PanelBytes(WeightType type, uint32_t cols);

constexpr uint32_t NumPanels(uint32_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

// Bytes in front of the lines of a block.
constexpr uint32_t PanelLeadBytes(WeightType type) {
  switch (type) {
    case WeightType::kMxFp4:
    case WeightType::kMxFp4Block:
      return 16;
    case WeightType::kQ80:
    case WeightType::kQ40:
    case WeightType::kQ50:
    case WeightType::kIq4Nl:
    case WeightType::kQ3K:
    case WeightType::kQ6K:
      return 32;
    default:
      return 0;
  }
}

// Bytes of a block of a panel: those of sixteen blocks, with the scales that stood apart.
constexpr uint32_t PanelBlockBytes(WeightType type) {
  return kPanelRows * (GeometryOf(type).bytes + (type == WeightType::kMxFp4 ? 1 : 0));
}

// Writes rows [first_row, first_row + 16) of `rows`, which is stored in rows, to `panel`, PanelBytes bytes.
// Past the last row codes and scales are zero.
void PackPanel(const MatrixView& rows, uint32_t first_row, std::byte* panel);

// The same matrix in panels: NumPanels(rows.rows) of them, one after another.
MatrixView PanelView(const MatrixView& rows, const std::byte* panels);

}  // namespace mimo
